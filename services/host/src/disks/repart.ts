import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@strongroom/platform'

/** One partition's definition (repart.d(5)), section [Partition]; keys in order. */
export type PartitionDefinition = [key: string, value: string][]

/**
 * Runs systemd-repart on a disk file, without loop devices or device-mapper.
 * @param o.directory where the definitions are written; its path must hold no percent sign or white space
 */
export async function repart(o: {
  disk: string
  directory: string
  partitions: PartitionDefinition[]
  create: boolean
  sizeBytes?: number
  signal?: AbortSignal
}): Promise<void> {
  await mkdir(o.directory, { mode: 0o700 })
  for (const [index, partition] of o.partitions.entries()) {
    const lines = partition.map(([key, value]) => `${key}=${value.replaceAll('%', '%%')}`)
    await writeFile(join(o.directory, `${index + 1}0.conf`), ['[Partition]', ...lines, ''].join('\n'), { mode: 0o600 })
  }
  const args = [
    '--dry-run=no',
    '--offline=yes',
    '--no-pager',
    // Otherwise every identifier derives from this machine's id: two VMs would have the same partition UUIDs.
    '--seed=random',
    `--definitions=${o.directory}`,
    `--empty=${o.create ? 'create' : 'refuse'}`,
    ...(o.sizeBytes === undefined ? (o.create ? ['--size=auto'] : []) : [`--size=${o.sizeBytes}`]),
  ]
  await run({ command: 'systemd-repart', args: [...args, o.disk], ...(o.signal && { signal: o.signal }) })
}
