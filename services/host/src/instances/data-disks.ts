import { setImmediate as nextTurn } from 'node:timers/promises'
import type { AttachedDisk } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { DiskPlace, OpenDisk } from '../disks/disk-driver.ts'
import type { DiskDoors } from '../disks/disk-doors.ts'
import type { RunningGuest } from '../qemu/running-guest.ts'
import type { ScsiDisk } from '../qemu/scsi-disks.ts'
import type { InstanceRecord } from '../records/record.ts'
import type { HostServices } from './services.ts'

const same = (a: AttachedDisk) => (b: AttachedDisk) => a.lun === b.lun && a.disk === b.disk

/** Where data disks are. */
type Stored = Pick<HostServices, 'stateDir' | 'disks'>

const scsiDisk = ({ lun, disk: serial }: AttachedDisk, { disk }: OpenDisk): ScsiDisk =>
  typeof disk === 'string' ? { lun, path: disk, serial } : { lun, path: disk.nbd, nbd: true, serial }

/** The data disks for a boot. @throws ServiceError DataDiskMissing: a guest is not started without its data. */
export async function disksAtBoot(
  { stateDir, disks: driver }: Stored,
  record: InstanceRecord,
  o: { place: DiskPlace; doors: DiskDoors },
): Promise<ScsiDisk[]> {
  const disks = record.dataDisks ?? []
  for (const disk of disks) await driver.requireData(stateDir, disk)
  const opened: ScsiDisk[] = []
  for (const disk of disks) {
    const open = await driver.openData(stateDir, disk, o.place)
    o.doors.add(disk.lun, open)
    opened.push(scsiDisk(disk, open))
  }
  return opened
}

/**
 * Sets a VM's data disks to exactly these. The request is recorded before a running guest sees it, so that the boot
 * after a crash applies it; if the guest cannot take a disk, the record shows what the guest has.
 * @throws ServiceError DataDiskMissing, DataDiskNotReady, DataDiskNotPlugged
 */
export async function placeDataDisks(
  o: { services: Stored; record: InstanceRecord; guest: RunningGuest | undefined; save(): Promise<void> },
  wanted: AttachedDisk[],
): Promise<void> {
  const { stateDir, disks: driver } = o.services
  const before = o.record.dataDisks ?? []
  for (const disk of wanted) await driver.requireData(stateDir, disk)
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
      const { sizeGiB } = before.find(same(disk)) ?? {}
      if (sizeGiB === undefined) {
        const open = await driver.openData(stateDir, disk, guest.place)
        await guest.plug(scsiDisk(disk, open), open)
      } else if (sizeGiB !== disk.sizeGiB && driver.growsAttached) await guest.resize(disk.lun, disk.sizeGiB * 2 ** 30)
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
