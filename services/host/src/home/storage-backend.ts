import { ServiceError } from '@strongroom/platform'

/** Where disks and guest states of joined hosts' VMs are. Per VM, the caller makes one call at a time. */
export interface StorageBackend {
  /**
   * From now on the disk is this epoch's: resolves once nothing of an earlier one can be written. Repeatable, also after
   * it failed midway. @throws ServiceError PlacementOver for an earlier epoch, StorageUnavailable
   */
  fence(vmId: string, epoch: number): Promise<void>
  /** Undefined until one was written. */
  readState(vmId: string): Promise<Uint8Array | undefined>
  /** Durable, and as a whole. */
  writeState(vmId: string, bytes: Uint8Array): Promise<void>
  /** Idempotent. */
  remove(vmId: string): Promise<void>
  close(): Promise<void>
}

export const placementOver = (o: { vmId: string; epoch: number; now: number }): ServiceError =>
  new ServiceError({
    code: 'PlacementOver',
    message:
      'The virtual machine has a newer placement: earlier placements no longer have access to its disk and guest state.',
    target: o.vmId,
    expected: `epoch ${o.now}`,
    found: `epoch ${o.epoch}`,
  })
