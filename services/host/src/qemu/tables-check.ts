import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { machineTables } from '@strongroom/evidence/expected'
import { memoryBackedDirectory, run, ServiceError } from '@strongroom/platform'
import { machineOf, type MachineShape } from './machine-shape.ts'
import { tablesOfQemu } from './reference-machine.ts'

/**
 * Asks the installed QEMU for the ACPI tables of a machine, to explain a boot whose PCR 1 is not the computed one.
 * What it answers is never expected of a boot.
 * @returns undefined if it gives those that verifiers compute, or does not answer
 */
export async function differingTables(o: MachineShape): Promise<ServiceError | undefined> {
  const runtimeDir = await memoryBackedDirectory('tables-check')
  try {
    const [computed, found] = [await machineTables(machineOf(o)), await tablesOfQemu({ ...o, runtimeDir })]
    const names = new Set([...computed.keys(), ...found.keys()])
    const differing = [...names].filter((name) => digestOf(computed.get(name)) !== digestOf(found.get(name)))
    if (differing.length === 0) return undefined
    const list = (of: ReadonlyMap<string, Uint8Array>): string =>
      differing.map((name) => `${name} ${digestOf(of.get(name))}`).join(', ')
    return new ServiceError({
      code: 'MachineTablesDiffer',
      message:
        `The ACPI tables of this host's QEMU (${await versionOfQemu()}) are not those that verifiers compute, so no boot ` +
        'of this VM opens its disk.',
      target: 'PCR 1',
      expected: `tables of QEMU 10.0: ${list(computed)}`,
      found: list(found),
      remedy: 'Install Debian 13’s qemu-system-x86, and start it with no arguments of your own.',
    })
  } catch {
    // The boot's own error stands.
    return undefined
  } finally {
    await rm(runtimeDir, { recursive: true, force: true })
  }
}

const digestOf = (bytes: Uint8Array | undefined): string =>
  bytes === undefined ? 'absent' : `SHA-256 ${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}…`

async function versionOfQemu(): Promise<string> {
  const { stdout } = await run({ command: 'qemu-system-x86_64', args: ['--version'] })
  return /version (\d+(?:\.\d+)*)/.exec(stdout.toString())?.[1] ?? 'of an unknown version'
}
