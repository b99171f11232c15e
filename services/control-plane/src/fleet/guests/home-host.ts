import type { Duplex } from 'node:stream'
import type {
  CarriedDiskAnswer,
  CarriedKey,
  CarriedMeasurements,
  CarriedSilicon,
  ImageManifest,
} from '@strongroom/contract'

/**
 * What the server's own host provides to joined hosts. The caller has verified that the host carries the VM at that
 * epoch. The highest epoch named for a VM counts: what an earlier one has open is closed before a later one is served,
 * and an earlier one is never served again.
 */
export interface HomeHost {
  /**
   * Where the OS disk is: behind `openDisk`, or in Ceph, with a key of this epoch. With `opened`, the host has opened it
   * there. @throws ServiceError PlacementOver, StorageUnavailable
   */
  disk(o: { vmId: string; epoch: number; sizeGiB: number; opened: boolean }): Promise<CarriedDiskAnswer>
  /** NBD, for the OS disk. @throws ServiceError PlacementOver */
  openDisk(o: { vmId: string; epoch: number; sizeGiB: number }): Promise<Duplex>
  /** Undefined until one was written. @throws ServiceError PlacementOver */
  readState(o: { vmId: string; epoch: number }): Promise<Uint8Array | undefined>
  /** @throws ServiceError PlacementOver */
  writeState(o: { vmId: string; epoch: number; bytes: Uint8Array }): Promise<void>
  /** Resolves once nothing from an earlier epoch can write. */
  fence(vmId: string, epoch: number): Promise<void>
  /** Idempotent. */
  remove(vmId: string): Promise<void>
  /** @throws ServiceError ImageNotFound */
  image(id: string): Promise<ImageManifest>
  /** @throws ServiceError ImageNotFound */
  imageFile(id: string, sha256: string): Promise<Duplex>
  /** To the installation's TLS port, from this VM's own address. */
  installation(vmId: string): Duplex
  /** From the simulated processors. @throws ServiceError CallNotCarried for another VM's or epoch's claims, or other firmware */
  silicon(ask: CarriedSilicon): Promise<Record<string, unknown>>
  /** PEM, for a key of the VM's vTPM or its metadata endpoint. */
  certify(ask: CarriedKey): Promise<string>
  measurements(ask: CarriedMeasurements): Promise<string>
}
