import type { Duplex } from 'node:stream'
import type { CarriedKey, CarriedMeasurements, CarriedSilicon, ImageManifest } from '@strongroom/contract'

/**
 * What the server's own host has for those that have joined. Whoever calls has seen to it that the host carries the VM at that epoch.
 * Of each VM the highest epoch that was named counts: what an earlier one has open is closed before a later one is served, and no
 * earlier one is served again.
 */
export interface HomeHost {
  /** NBD, on the OS disk. @throws ServiceError PlacementOver */
  openDisk(o: { vmId: string; epoch: number; sizeGiB: number }): Promise<Duplex>
  /** Undefined until one was written. @throws ServiceError PlacementOver */
  readState(o: { vmId: string; epoch: number }): Promise<Uint8Array | undefined>
  /** @throws ServiceError PlacementOver */
  writeState(o: { vmId: string; epoch: number; bytes: Uint8Array }): Promise<void>
  /** Resolves when nothing of an earlier epoch can write any more. */
  fence(vmId: string, epoch: number): Promise<void>
  /** Idempotent. */
  remove(vmId: string): Promise<void>
  /** @throws ServiceError ImageNotFound */
  image(id: string): Promise<ImageManifest>
  /** @throws ServiceError ImageNotFound */
  imageFile(id: string, sha256: string): Promise<Duplex>
  /** To the installation's TLS port, from an address of this VM's own. */
  installation(vmId: string): Duplex
  /** Of the simulated processors. @throws ServiceError CallNotCarried for claims of another VM or epoch, or other firmware */
  silicon(ask: CarriedSilicon): Promise<Record<string, unknown>>
  /** PEM, of a key of the VM's vTPM or of its metadata endpoint. */
  certify(ask: CarriedKey): Promise<string>
  measurements(ask: CarriedMeasurements): Promise<string>
}
