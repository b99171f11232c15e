import type {
  AnyBootEvidence,
  AttachedDisk,
  CustomerKey,
  CommandRequest,
  CommandStatus,
  DiskAccess,
  DiskAccessRequest,
  FinishUpload,
  ImageBuildStatus,
  ImageMeasurementsDocument,
  ImageUpdate,
  ImageUpdateRequest,
  ImageRecord,
  InstanceConversion,
  InstancePatch,
  AnySpec,
  InstanceStatus,
  StoredDiskSpec,
  StoredDiskStatus,
  Tee,
} from '@strongroom/contract'
import type { OnBehalfOf } from '../arm/on-behalf-of.ts'

/** What carries virtual machines, as the sagas use it: a host behind its wire, or the driver without guests. */
export interface Host {
  /** Idempotent for the same VM. */
  provision(spec: AnySpec): Promise<InstanceStatus>
  /** Undefined where the host has no such instance. */
  find(vmId: string): Promise<InstanceStatus | undefined>
  /** All that the host has. */
  list(): Promise<InstanceStatus[]>
  start(vmId: string): Promise<InstanceStatus>
  stop(vmId: string, graceful: boolean): Promise<InstanceStatus | undefined>
  restart(vmId: string): Promise<InstanceStatus>
  patch(vmId: string, patch: InstancePatch): Promise<InstanceStatus>
  /** Puts a stopped VM's guest state under the first of the keys. Idempotent. */
  rewrap(vmId: string, customerKey: CustomerKey): Promise<InstanceStatus>
  /** Opens the guest state on the silicon that it was made for, and puts it under the other's: all of it, or nothing. Idempotent. */
  convert(vmId: string, conversion: InstanceConversion): Promise<InstanceStatus>
  /** These data disks and no others, also of a VM that runs; a disk is one VM's. Idempotent. */
  setDataDisks(vmId: string, disks: AttachedDisk[]): Promise<InstanceStatus>
  remove(vmId: string): Promise<void>
  evidence(vmId: string): Promise<AnyBootEvidence | undefined>
  /** Hands a running guest a script. Idempotent by the command's id. */
  command(vmId: string, request: CommandRequest): Promise<CommandStatus>
  /** Undefined where the boot that it was for has ended. */
  findCommand(vmId: string, id: string): Promise<CommandStatus | undefined>
  /** The lines that the guest wrote on its console; undefined where there is no such instance. */
  serialLog(vmId: string): Promise<string | undefined>
  images(): Promise<ImageRecord[]>
  /** What an image measures, signed; undefined where there is no such image. */
  imageMeasurements(id: string): Promise<ImageMeasurementsDocument | undefined>
  /** Idempotent for the same specification; a failed copy is tried again. */
  keepDisk(spec: StoredDiskSpec): Promise<StoredDiskStatus>
  /** Undefined where the host keeps no such disk. */
  findDisk(id: string): Promise<StoredDiskStatus | undefined>
  /** Idempotent. */
  removeDisk(id: string): Promise<void>
  /** Takes what was uploaded; its addresses are dead. */
  finishDisk(id: string, o: FinishUpload): Promise<StoredDiskStatus>
  /** Addresses of a kept disk, or of the OS disk of a VM that is off. An earlier grant's are dead. */
  grantDisk(id: string, o: DiskAccessRequest): Promise<DiskAccess>
  /** Idempotent. */
  revokeDisk(id: string): Promise<void>
  importImage(o: { path: string; name: string }): Promise<ImageRecord>
  /** @returns undefined where there is no such image */
  updateImage(id: string, o: ImageUpdateRequest): Promise<ImageUpdate | undefined>
  /** A variant of the reference image by its name; the host refuses what it does not know. */
  buildImage(variant?: string): Promise<ImageBuildStatus>
  imageBuild(variant?: string): Promise<ImageBuildStatus>
}

/** Where a VM is placed in a fleet. */
export interface KeyPlacement {
  epoch: number
  /** Given to the host of this epoch alone, base64url. */
  ticket: string
}

/** The keys that guest states are wrapped with, one per VM. */
export interface GuestStateKeys {
  /** From now on the key is released to boots of this placement alone, and never to those of an earlier one. Idempotent. */
  place(keyId: string, placement: KeyPlacement): Promise<void>
  /** The key's identifier with its version; a second call finds the first one's key. */
  ensure(o: {
    vmId: string
    authority: string
    tee: Tee
    /** The key of a VM that is being converted to this technology, beside the one that it has. */
    converted?: boolean
    asker: OnBehalfOf
  }): Promise<string>
  /** One key by its identifier. Idempotent. */
  destroyKey(asker: OnBehalfOf, keyId: string): Promise<void>
  /** All keys of the VM. Idempotent. */
  destroy(asker: OnBehalfOf, vmId: string): Promise<void>
}
