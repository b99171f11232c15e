import { stat, truncate } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AttachedDisk } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { storedFiles, readStored } from '../disk-store/record.ts'
import type { RunningGuest } from '../paravisor/running-guest.ts'
import type { ScsiDisk } from '../qemu/scsi-disks.ts'
import type { InstanceRecord } from './record.ts'

const same = (a: AttachedDisk) => (b: AttachedDisk) => a.lun === b.lun && a.disk === b.disk

const scsiDisk = (stateDir: string, { lun, disk }: AttachedDisk): ScsiDisk => ({
  lun,
  path: storedFiles(stateDir, disk).disk,
  serial: disk,
})

/** The data disks for a boot. @throws ServiceError DataDiskMissing: a guest is not started without its data. */
export async function disksAtBoot(stateDir: string, record: InstanceRecord): Promise<ScsiDisk[]> {
  const disks = record.dataDisks ?? []
  for (const disk of disks) await prepare(stateDir, disk)
  return disks.map((disk) => scsiDisk(stateDir, disk))
}

/**
 * Sets a VM's data disks to exactly these. The request is recorded before a running guest sees it, so that the boot
 * after a crash applies it; if the guest cannot take a disk, the record shows what the guest has.
 * @throws ServiceError DataDiskMissing, DataDiskNotReady, DataDiskNotPlugged
 */
export async function placeDataDisks(
  o: { stateDir: string; record: InstanceRecord; guest: RunningGuest | undefined; save(): Promise<void> },
  wanted: AttachedDisk[],
): Promise<void> {
  const before = o.record.dataDisks ?? []
  for (const disk of wanted) await prepare(o.stateDir, disk)
  await keep(o, wanted)
  const guest = (await hasEnded(o.guest)) ? undefined : o.guest
  if (guest === undefined) return
  let has = before
  try {
    for (const disk of before.filter((each) => !wanted.some(same(each)))) {
      await guest.unplug(disk.lun)
      has = has.filter((each) => each !== disk)
    }
    for (const disk of wanted) {
      if (!before.some(same(disk))) await guest.plug(scsiDisk(o.stateDir, disk))
      else if (before.find(same(disk))?.sizeGiB !== disk.sizeGiB) await guest.resize(disk.lun, disk.sizeGiB * 2 ** 30)
      has = [...has.filter((each) => !same(each)(disk)), disk]
    }
  } catch (error) {
    await keep(o, has)
    throw notPlugged(error)
  }
}

async function keep(o: { record: InstanceRecord; save(): Promise<void> }, disks: AttachedDisk[]): Promise<void> {
  if (disks.length === 0) delete o.record.dataDisks
  else o.record.dataDisks = disks.toSorted((a, b) => a.lun - b.lun)
  await o.save()
}

/** A powered-off guest exists until it is cleaned up, and accepts no more disks. */
async function hasEnded(guest: RunningGuest | undefined): Promise<boolean> {
  return guest === undefined || (await Promise.race([guest.ended.then(() => true), nextTurn(false)]))
}

/** The disk is complete and has its full length. */
async function prepare(stateDir: string, { disk, sizeGiB }: AttachedDisk): Promise<void> {
  const kept = await readStored(stateDir, disk)
  const path = storedFiles(stateDir, disk).disk
  const found = await stat(path).catch(() => undefined)
  if (kept === undefined || (found === undefined && kept.status.state === 'Succeeded')) throw missing(disk)
  if (kept.status.state !== 'Succeeded' || found === undefined) throw notReady(disk, kept.status.state)
  if (found.size < sizeGiB * 2 ** 30) await truncate(path, sizeGiB * 2 ** 30)
}

const missing = (disk: string): ServiceError =>
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

const notPlugged = (error: unknown): ServiceError =>
  new ServiceError({
    code: 'DataDiskNotPlugged',
    message: `The requested disks could not be attached to the running guest: ${error instanceof Error ? error.message : String(error)}`,
    target: 'dataDisks',
    remedy: 'Deallocate the VM and repeat the request; see the VM’s qemu.log.',
    cause: error,
  })

export const diskInUse = (disk: string, holder: string): ServiceError =>
  new ServiceError({
    code: 'DataDiskInUse',
    message: `The disk ${disk} is a data disk of VM ${holder}.`,
    target: 'dataDisks',
    expected: 'a disk that no other VM uses',
    found: holder,
    remedy: 'Detach it there first: az vm disk detach.',
  })
