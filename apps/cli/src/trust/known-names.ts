import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomically } from '@strongroom/platform/files'
import type { KnownName } from '@strongroom/trust'
import { CliError } from '../core/cli-error.ts'

/** A file for each resource id, outside the installation's state: a host that brings another VM does not change it. */
const fileOf = (configDir: string, id: string): string =>
  join(configDir, 'known-vms', `${createHash('sha256').update(id.toLowerCase()).digest('hex')}.json`)

/** @throws CliError AskedSettingsUnreadable: a damaged file never counts as a name that is seen for the first time */
export async function recallName(configDir: string, id: string): Promise<KnownName | undefined> {
  const path = fileOf(configDir, id)
  try {
    const { vmId, trustedAt } = JSON.parse(await readFile(path, 'utf8')) as Partial<Record<keyof KnownName, unknown>>
    if (typeof vmId !== 'string') throw new TypeError('it names no VM')
    return { vmId, ...(typeof trustedAt === 'string' && { trustedAt }) }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new CliError({
      code: 'AskedSettingsUnreadable',
      message: `Which VM you last trusted as ${id} cannot be read from ${path}.`,
      remedy: 'Restore the file. Remove it only if you know that the VM is the same.',
      cause,
    })
  }
}

/** The last one to create or trust a VM under the name decides. */
export async function rememberName(configDir: string, id: string, known: KnownName): Promise<void> {
  await writeFileAtomically(fileOf(configDir, id), `${JSON.stringify({ id, ...known }, null, 2)}\n`)
}
