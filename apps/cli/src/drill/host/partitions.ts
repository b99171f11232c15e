import { runProgram } from './programs.ts'

const sectorBytes = 512

/** Types of the UEFI specification and of the Discoverable Partitions Specification, upper case. */
export const partitionTypes = {
  esp: 'C12A7328-F81F-11D2-BA4B-00A0C93EC93B',
  root: '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709',
  rootVerity: '2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5',
  usr: '8484680C-9521-48C6-9C11-B0720656F69E',
  home: '933AC7E1-2EB4-4F13-B844-0E14E2AEF915',
  srv: '3B8F8425-20E0-4F3B-907F-1A25A76F98E8',
  var: '4D21B016-B534-45C2-A9FB-5C16E091FD2D',
  swap: '0657FD6D-A4AB-43C4-84E5-0933C84B4F4F',
  bootLoader: 'BC13C2FF-59E6-4262-A352-B275FD6F7172',
} as const

export interface TablePartition {
  type: string
  uuid: string
  name: string
  /** In bytes. */
  offset: number
  sizeBytes: number
}

/** The partitions of a raw disk, by number. */
export async function readTable(disk: string): Promise<TablePartition[]> {
  const { stdout } = await runProgram('sfdisk', ['--json', disk])
  const { partitiontable } = JSON.parse(stdout) as {
    partitiontable: { partitions: { start: number; size: number; type: string; uuid: string; name?: string }[] }
  }
  return partitiontable.partitions.map(({ start, size, type, uuid, name = '' }) => ({
    type,
    uuid,
    name,
    offset: start * sectorBytes,
    sizeBytes: size * sectorBytes,
  }))
}

/** Rewrites a table, numbered in the given order; the disk's content stays. */
export async function writeTable(disk: string, partitions: readonly TablePartition[]): Promise<void> {
  const lines = partitions.map(({ type, uuid, name, offset, sizeBytes }) =>
    [
      `start=${offset / sectorBytes}`,
      `size=${sizeBytes / sectorBytes}`,
      `type=${type}`,
      ...(uuid === '' ? [] : [`uuid=${uuid}`]),
      `name="${name}"`,
    ].join(', '),
  )
  const input = ['label: gpt', 'first-lba: 34', ...lines, ''].join('\n')
  await runProgram(
    'sfdisk',
    ['--quiet', '--force', '--no-reread', '--no-tell-kernel', '--wipe=never', '--wipe-partitions=never', disk],
    { input },
  )
}
