import type { AttachedDisk } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { diskInUse } from '../../host/disk-in-use.ts'
import type { Host } from '../../host/host.ts'
import type { CarriedDisks } from './carried-disks.ts'
import type { HomeHost } from './home-host.ts'

interface Parts {
  local: Host
  home: HomeHost
  disks: CarriedDisks
  /** Whether the VM is off, in its record. */
  isOff(vmId: string): Promise<boolean>
  /** Has the VM's host give exactly these to its running guest, if there is one. */
  plug(vmId: string, disks: AttachedDisk[]): Promise<void>
}

/** Data disks of guests on joined hosts: whose they are, and what may be done with them meanwhile. */
export class GuestDisks {
  readonly #o: Parts

  constructor(o: Parts) {
    this.#o = o
  }

  /**
   * The request is recorded before a running guest sees it: a boot on another host applies it. A detached disk is free
   * once the storage has closed it, whatever the VM's host says.
   * @throws ServiceError DataDiskInUse, DataDiskMissing, DataDiskNotReady, or as the VM's host refused
   */
  async set(vmId: string, wanted: AttachedDisk[]): Promise<void> {
    const { local, home, disks } = this.#o
    for (const { disk } of wanted) {
      const { attachedTo, access } = (await local.findDisk(disk)) ?? {}
      if (attachedTo !== undefined) throw diskInUse(disk, attachedTo)
      // Whoever reads it by an address would read what the guest is writing.
      if (access !== undefined) await local.revokeDisk(disk)
    }
    const leaving = await disks.set(vmId, wanted)
    for (const disk of wanted) await home.prepareDisk(vmId, disk)
    await this.#o.plug(vmId, wanted)
    for (const disk of leaving) {
      await home.releaseDisk(vmId, disk)
      await disks.free(vmId, disk)
    }
  }

  /** For VMs on the server's own host. @throws ServiceError DataDiskInUse */
  async requireFree(disks: readonly Pick<AttachedDisk, 'disk'>[]): Promise<void> {
    for (const { disk } of disks) {
      const holder = await this.#o.disks.holderOf(disk)
      if (holder !== undefined) throw diskInUse(disk, holder)
    }
  }

  /** A disk to be copied, or read by an address, on the server. @throws ServiceError InstanceNotStopped, NotOnJoinedHosts */
  async requireAtRest(disk: string): Promise<void> {
    if (await this.#o.home.isPooled(disk)) throw inPool(disk)
    const holder = await this.#o.disks.holderOf(disk)
    if (holder !== undefined && !(await this.#o.isOff(holder))) throw notStopped(holder)
  }

  /** Before its file is removed. Idempotent. @throws ServiceError DataDiskInUse */
  async remove(disk: string): Promise<void> {
    await this.requireFree([{ disk }])
    await this.#o.home.removePooled(disk)
  }
}

const notStopped = (vmId: string): ServiceError =>
  new ServiceError({
    code: 'InstanceNotStopped',
    message: `The disk belongs to VM ${vmId}, which is running.`,
    expected: 'a disk of a VM that is stopped, or of none',
    found: vmId,
    remedy: 'Deallocate the VM first.',
  })

const inPool = (disk: string): ServiceError =>
  new ServiceError({
    code: 'NotOnJoinedHosts',
    message: 'The content of the data disk is in a Ceph pool, from where it is not copied to the server.',
    expected: 'a disk on the server',
    found: disk,
    remedy: 'Copy the data inside a virtual machine that has the disk.',
  })
