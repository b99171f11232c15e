import { CliError, exitCodes } from '../core/cli-error.ts'
import type { Attack } from './attacks/attack.ts'
import { bootFileAttacks } from './attacks/boot-files.ts'
import { consoleAttacks } from './attacks/console.ts'
import { credentialAttacks } from './attacks/credentials.ts'
import { deviceAttacks } from './attacks/devices.ts'
import { diskHeaderAttacks } from './attacks/disk-header.ts'
import { guestStateAttacks } from './attacks/guest-state.ts'
import { metadataAttacks } from './attacks/metadata.ts'
import { partitionAttacks } from './attacks/partitions.ts'
import { replayAttacks } from './attacks/replays.ts'

/** In the order of trial: what is refused before power-on first, then what the firmware refuses. */
export const attacks: readonly Attack[] = [
  ...replayAttacks,
  ...guestStateAttacks,
  ...bootFileAttacks,
  ...deviceAttacks,
  ...consoleAttacks,
  ...credentialAttacks,
  ...diskHeaderAttacks,
  ...partitionAttacks,
  ...metadataAttacks,
]

/** The named ones: D1/null-ecb is one, D1 all of that row. All by default. @throws CliError UnknownAttack */
export function selectAttacks(names: readonly string[]): Attack[] {
  if (names.length === 0) return [...attacks]
  for (const name of names) {
    if (attacks.some(({ id }) => isNamed(id, name))) continue
    throw new CliError({
      code: 'UnknownAttack',
      message: `There is no attack '${name}'.`,
      expected: 'a row of docs/proof/attacks.md, or the id of one attack',
      found: name,
      remedy: 'See `strongroom drill --list`.',
      exitCode: exitCodes.usage,
    })
  }
  return attacks.filter(({ id }) => names.some((name) => isNamed(id, name)))
}

const isNamed = (id: string, name: string): boolean => id === name || id.split('/')[0] === name
