import { access, stat, truncate } from 'node:fs/promises'
import type { AttachedDisk } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { readStored, storedFiles } from './record.ts'

/**
 * The file of a data disk that is complete, in its full length.
 * @throws ServiceError DataDiskMissing, DataDiskNotReady; FleetStorageOther for one that is in a Ceph pool
 */
export async function requireAttachable(
  stateDir: string,
  { disk, sizeGiB }: Pick<AttachedDisk, 'disk' | 'sizeGiB'>,
): Promise<string> {
  const kept = await readStored(stateDir, disk)
  const { disk: path, pool } = storedFiles(stateDir, disk)
  if (await exists(pool)) throw inPool(disk)
  const found = await stat(path).catch(() => undefined)
  if (kept === undefined || (found === undefined && kept.status.state === 'Succeeded')) throw missingDisk(disk)
  if (kept.status.state !== 'Succeeded' || found === undefined) throw notReady(disk, kept.status.state)
  if (found.size < sizeGiB * 2 ** 30) await truncate(path, sizeGiB * 2 ** 30)
  return path
}

const exists = async (path: string): Promise<boolean> =>
  await access(path).then(
    () => true,
    () => false,
  )

export const missingDisk = (disk: string): ServiceError =>
  new ServiceError({
    code: 'DataDiskMissing',
    message: 'The file of a data disk is not on this host, and the VM does not start without its data.',
    target: 'dataDisks',
    expected: 'a disk of this host',
    found: disk,
    remedy: 'Restore STATE/disks from a backup, or detach the disk: az vm disk detach.',
  })

const notReady = (disk: string, state: string): ServiceError =>
  new ServiceError({
    code: 'DataDiskNotReady',
    message: `The data disk ${disk} is not ready.`,
    target: 'dataDisks',
    expected: 'Succeeded',
    found: state,
    remedy: 'Wait until the copy ends, or end its upload: az disk revoke-access.',
  })

const inPool = (disk: string): ServiceError =>
  new ServiceError({
    code: 'FleetStorageOther',
    message: `The data disk ${disk} is in a Ceph pool, which only VMs whose OS disk is there can reach.`,
    target: 'dataDisks',
    expected: 'a disk on the server',
    found: disk,
    remedy: 'Attach it to a VM on a joined host that was created with --fleet-storage.',
  })
