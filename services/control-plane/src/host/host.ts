import type {
  AnyBootEvidence,
  AttachedDisk,
  BackupRequest,
  BackupStatus,
  CustomerKey,
  CommandRequest,
  CommandStatus,
  DiskAccess,
  DiskAccessRequest,
  FinishUpload,
  FirmwareListDocument,
  FirmwareRemoval,
  FirmwareSigning,
  FreshQuote,
  ImageBuildStatus,
  ImageMeasurementsDocument,
  ImageUpdate,
  ImageUpdateRequest,
  SignedVariable,
  SignedVariableRequest,
  ImageRecord,
  InstanceConversion,
  InstancePatch,
  InstanceRekey,
  AnySpec,
  InstanceStatus,
  QuoteChallenge,
  RestoreKey,
  RestoreOffer,
  StoredDiskSpec,
  StoredDiskStatus,
  Tee,
} from '@strongroom/contract'
import type { OnBehalfOf } from '../arm/on-behalf-of.ts'

/** What carries virtual machines, as the sagas see it: a host behind its wire, or the driver without guests. */
export interface Host {
  /** Idempotent for the same VM. */
  provision(spec: AnySpec): Promise<InstanceStatus>
  /** Undefined if the host has no such instance. */
  find(vmId: string): Promise<InstanceStatus | undefined>
  /** All that the host has. */
  list(): Promise<InstanceStatus[]>
  start(vmId: string): Promise<InstanceStatus>
  stop(vmId: string, graceful: boolean): Promise<InstanceStatus | undefined>
  restart(vmId: string): Promise<InstanceStatus>
  patch(vmId: string, patch: InstancePatch): Promise<InstanceStatus>
  /** Rewraps a stopped VM's guest state under the first of the keys. Idempotent. */
  rewrap(vmId: string, customerKey: CustomerKey): Promise<InstanceStatus>
  /** Opens the guest state on its current silicon and wraps it for the other, completely or not at all. Idempotent. */
  convert(vmId: string, conversion: InstanceConversion): Promise<InstanceStatus>
  /** Encrypts a stopped VM's OS disk under a new volume key, completely or not at all. Idempotent by the id. */
  rekey(vmId: string, rekey: InstanceRekey): Promise<InstanceStatus>
  /** Attaches exactly these data disks, also to a running VM; a disk belongs to one VM. Idempotent. */
  setDataDisks(vmId: string, disks: AttachedDisk[]): Promise<InstanceStatus>
  remove(vmId: string): Promise<void>
  evidence(vmId: string): Promise<AnyBootEvidence | undefined>
  /** Begins a backup of a running VM for the key that its owner signed for; returns one in progress. */
  backup(vmId: string, request: BackupRequest): Promise<BackupStatus>
  /** The last requested backup; undefined if there is none. */
  findBackup(vmId: string): Promise<BackupStatus | undefined>
  /** What a VM being restored waits for. */
  restoreOffer(vmId: string): Promise<RestoreOffer>
  /** The backup's key for the paravisor that offered; everything was written. */
  completeRestore(vmId: string, key: RestoreKey): Promise<void>
  /** Sends a running guest a script. Idempotent by the command's id. */
  command(vmId: string, request: CommandRequest): Promise<CommandStatus>
  /** The running guest's answer to a verifier's challenge. */
  freshQuote(vmId: string, challenge: QuoteChallenge): Promise<FreshQuote>
  /** Undefined if its boot has ended. */
  findCommand(vmId: string, id: string): Promise<CommandStatus | undefined>
  /** The guest's console output; undefined if there is no such instance. */
  serialLog(vmId: string): Promise<string | undefined>
  images(): Promise<ImageRecord[]>
  /** Signed measurements of an image; undefined if there is no such image. */
  imageMeasurements(id: string): Promise<ImageMeasurementsDocument | undefined>
  /** Idempotent for the same specification; a failed copy is retried. */
  keepDisk(spec: StoredDiskSpec): Promise<StoredDiskStatus>
  /** Undefined if the host stores no such disk. */
  findDisk(id: string): Promise<StoredDiskStatus | undefined>
  /** Idempotent. */
  removeDisk(id: string): Promise<void>
  /** Accepts the upload; its addresses become invalid. */
  finishDisk(id: string, o: FinishUpload): Promise<StoredDiskStatus>
  /** Addresses of a stored disk, or of the OS disk of a VM that is off. An earlier grant's become invalid. */
  grantDisk(id: string, o: DiskAccessRequest): Promise<DiskAccess>
  /** Idempotent. */
  revokeDisk(id: string): Promise<void>
  /** The firmware that guests may be launched with, signed. */
  firmware(): Promise<FirmwareListDocument>
  /** Measures firmware and signs a list with it. */
  signFirmware(o: FirmwareSigning): Promise<FirmwareListDocument>
  /** Signs a list without the release. Idempotent. */
  removeFirmware(o: FirmwareRemoval): Promise<FirmwareListDocument>
  importImage(o: { path: string; name: string }): Promise<ImageRecord>
  /** @returns undefined if there is no such image */
  updateImage(id: string, o: ImageUpdateRequest): Promise<ImageUpdate | undefined>
  /** @returns undefined where there is no such image */
  signVariable(id: string, o: SignedVariableRequest): Promise<SignedVariable | undefined>
  /** A variant of the reference image by name; the host refuses unknown ones. */
  buildImage(variant?: string): Promise<ImageBuildStatus>
  imageBuild(variant?: string): Promise<ImageBuildStatus>
}

/** Where a VM is placed in a fleet. */
export interface KeyPlacement {
  epoch: number
  /** Given only to the host of this epoch, base64url. */
  ticket: string
}

/** The keys that wrap guest states, one per VM. */
export interface GuestStateKeys {
  /** From now on the key is released only to boots of this placement, never to an earlier one's. Idempotent. */
  place(keyId: string, placement: KeyPlacement): Promise<void>
  /** The key's identifier with its version; a second call finds the first one's key. */
  ensure(o: {
    vmId: string
    authority: string
    tee: Tee
    /** The key of a VM that is being converted to this technology, besides its current one. */
    converted?: boolean
    asker: OnBehalfOf
  }): Promise<string>
  /** Which launch opened the guest state last: signed over the nonce, for verifiers. Undefined without a key service. */
  latestLaunch(keyId: string, challenge: QuoteChallenge): Promise<string | undefined>
  /** One key by its identifier. Idempotent. */
  destroyKey(asker: OnBehalfOf, keyId: string): Promise<void>
  /** All keys of the VM. Idempotent. */
  destroy(asker: OnBehalfOf, vmId: string): Promise<void>
}
