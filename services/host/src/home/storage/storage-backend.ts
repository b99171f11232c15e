import type { AttachedDisk } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'

/** One of a VM's disks. A shorter one grows to the size. */
export interface VmDisk {
  /** Of a data disk; absent for the OS disk. */
  id?: string
  sizeGiB: number
}

export type DataDisk = Pick<AttachedDisk, 'disk' | 'sizeGiB'>

/** Where disks and guest states of joined hosts' VMs are. Per VM, the caller makes one call at a time. */
export interface StorageBackend {
  /**
   * From now on the disks are this epoch's: resolves once nothing of an earlier one can be written to any of them. Repeatable, also after
   * it failed midway. @throws ServiceError PlacementOver for an earlier epoch, StorageUnavailable
   */
  fence(vmId: string, epoch: number): Promise<void>
  /** Undefined until one was written. */
  readState(vmId: string): Promise<Uint8Array | undefined>
  /** Durable, and as a whole. */
  writeState(vmId: string, bytes: Uint8Array): Promise<void>
  /**
   * Before a data disk is attached: it is there, complete and in its full length.
   * @throws ServiceError DataDiskMissing, DataDiskNotReady, FleetStorageOther, StorageUnavailable
   */
  prepare(disk: DataDisk): Promise<void>
  /** Resolves once nothing can be written to the data disk for this VM. Idempotent. */
  release(vmId: string, disk: string): Promise<void>
  /** Its OS disk and guest state; its data disks are released. Idempotent. */
  remove(vmId: string): Promise<void>
  close(): Promise<void>
}

export const placementOver = (o: { vmId: string; epoch: number; now: number }): ServiceError =>
  new ServiceError({
    code: 'PlacementOver',
    message:
      'The virtual machine has a newer placement: earlier placements no longer have access to its disks and guest state.',
    target: o.vmId,
    expected: `epoch ${o.now}`,
    found: `epoch ${o.epoch}`,
  })
