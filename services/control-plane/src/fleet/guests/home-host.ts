import type { Duplex } from 'node:stream'
import type {
  AttachedDisk,
  AttestedDocument,
  CarriedDiskAnswer,
  CarriedKey,
  CarriedMeasurements,
  CarriedSilicon,
  ImageManifest,
  InstanceSpec,
} from '@strongroom/contract'

/** A disk that a VM's host asks for. */
interface AskedDisk {
  vmId: string
  epoch: number
  /** The OS disk, or a data disk by its id; undefined if it is not the VM's. Asked when nothing else happens to the VM's disks. */
  which(): Promise<{ id?: string; sizeGiB: number } | undefined>
}

/**
 * What the server's own host provides to joined hosts. The caller has verified that the host carries the VM at that
 * epoch. The highest epoch named for a VM counts: what an earlier one has open is closed before a later one is served,
 * and an earlier one is never served again.
 */
export interface HomeHost {
  /**
   * Where a disk is: behind `openDisk`, or in Ceph, with a key of this epoch. With `opened`, the host has opened it
   * there. @throws ServiceError PlacementOver, DiskNotFound, DataDiskMissing, StorageUnavailable
   */
  disk(o: AskedDisk & { opened: boolean }): Promise<CarriedDiskAnswer>
  /** NBD. @throws ServiceError PlacementOver, DiskNotFound, DataDiskMissing */
  openDisk(o: AskedDisk): Promise<Duplex>
  /**
   * Before a data disk is attached to the VM: it is complete, and where the VM's host reaches it.
   * @throws ServiceError DataDiskMissing, DataDiskNotReady, FleetStorageOther, StorageUnavailable
   */
  prepareDisk(vmId: string, disk: Pick<AttachedDisk, 'disk' | 'sizeGiB'>): Promise<void>
  /** Resolves once nothing can be written to the data disk for the VM. Idempotent. */
  releaseDisk(vmId: string, disk: string): Promise<void>
  /** Whether the content of a data disk is in a Ceph pool, and not in the server's files. */
  isPooled(disk: string): Promise<boolean>
  /** Of a data disk that no VM has. Idempotent. */
  removePooled(disk: string): Promise<void>
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
  /** PEM, for a key of the VM's vTPM: names the epoch, lasts for hours. @throws ServiceError InvalidRequestContent, TooManyKeys */
  certify(ask: CarriedKey): Promise<string>
  /** Signed here: no host has a key that speaks for VMs. @throws ServiceError TooManyRequests */
  document(o: { spec: InstanceSpec; nonce?: string }): Promise<AttestedDocument>
  measurements(ask: CarriedMeasurements): Promise<string | undefined>
}
