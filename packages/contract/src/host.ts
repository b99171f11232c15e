/**
 * Wire between the control plane and a host, served at https://machine.strongroom.internal.
 *
 * PUT    /instances/{vmId}                  AnySpec → 202 InstanceStatus   provisions; idempotent for the same spec
 * GET    /instances/{vmId}                  → 200 InstanceStatus | 404
 * GET    /instances                         → 200 { value: InstanceStatus[] }
 * POST   /instances/{vmId}/start            → 202 InstanceStatus                idempotent while starting, booting or ready
 * POST   /instances/{vmId}/stop             StopRequest → 202 InstanceStatus    idempotent
 * POST   /instances/{vmId}/restart          → 202 InstanceStatus
 * POST   /instances/{vmId}/rewrap           CustomerKey → 200 InstanceStatus      only while stopped; idempotent: guest state under keyIds[0]
 * POST   /instances/{vmId}/convert          InstanceConversion → 200 InstanceStatus  only while stopped; whole or not at all; idempotent
 * PUT    /instances/{vmId}/data-disks       { disks: AttachedDisk[] } → 200 InstanceStatus  those and no others, also while it runs; idempotent
 * PATCH  /instances/{vmId}                  InstancePatch → 200 InstanceStatus  only while stopped
 * DELETE /instances/{vmId}                  → 204                               idempotent; destroys disk, guest state, vTPM
 * GET    /instances/{vmId}/evidence         → 200 BootEvidence of the last boot | 404
 * GET    /instances/{vmId}/serial-log       → 200 text/plain
 * POST   /instances/{vmId}/commands         CommandRequest → 202 CommandStatus  idempotent by id; 409 unless ready
 * GET    /instances/{vmId}/commands/{id}    → 200 CommandStatus | 404
 * POST   /instances/{vmId}/memory-dump      → 403 always: no host makes one (FAQ S9)
 * PUT    /simulated/{vmId}/boot             SimulatedBoot → 200 BootEvidence    compute simulated alone; the same bootId, the same evidence
 * GET    /simulated/{vmId}/evidence         → 200 BootEvidence made last | 404
 * DELETE /simulated/{vmId}                  → 204                               idempotent; destroys guest state and vTPM
 * GET    /images                            → 200 { value: ImageRecord[] }
 * GET    /images/{id}/measurements          → 200 ImageMeasurementsDocument | 404   what the image measures, signed
 * POST   /images/import                     { path, name } → 200 ImageRecord | 400 with every reason it does not qualify
 * POST   /images/build?variant=             → 202 ImageBuildStatus              the reference image or a variant of it; idempotent
 * GET    /images/build?variant=             → 200 ImageBuildStatus
 *        /disks/{id}…                       disks that are kept beside the VMs: stored-disk.ts
 *
 * Bearer token with audience `hostAudience`; caller must be the control plane's principal. Errors: ErrorBody.
 */
import type { AttachedDisk } from './attached-disk.ts'
import type { ErrorDetail } from './errors.ts'
import type { GuestHealth } from './guest-health.ts'

export type Tee = 'SNP' | 'TDX'
export const securityTypes = ['Standard', 'TrustedLaunch', 'ConfidentialVM'] as const
export type SecurityType = (typeof securityTypes)[number]
export type SecurityEncryptionType = 'VMGuestStateOnly' | 'DiskWithVMGuestState' | 'NonPersistedTPM'

/** What every VM has, confidential or not. */
export interface VmSpec {
  /** Upper-case GUID. */
  vmId: string
  /** ARM resource id; shown in logs and in the metadata endpoint. */
  resourceId: string
  name: string
  region: string
  /** temporaryGiB: of the disk that every start begins with empty, and that is gone once the VM is off; none where it is absent. */
  size: { name: string; vCPUs: number; memoryMiB: number; temporaryGiB?: number }
  /** ImageRecord.id */
  image: string
  osDisk: { id: string; sizeGiB: number }
  osProfile: {
    computerName: string
    adminUsername: string
    sshPublicKeys: string[]
    /** Base64, at most 64 KiB decoded: for cloud-init, at the first boot. Whoever runs the host can read it. */
    customData?: string
    /** As in /etc/shadow, yescrypt. Absent: the account is entered by key alone. A host keeps it sealed and tells it its guest alone. */
    passwordHash?: string
    /** SHA-256 of it, hexadecimal: what the guest measures of it, and all that a host tells. */
    passwordSha256?: string
  }
  /** Base64, at most 64 KiB decoded: shown at the metadata endpoint. */
  userData?: string
  /** The primary interface. */
  network: { macAddress: string; privateIpAddress: string }
  /** Those beside it, in the guest's order. */
  interfaces?: GuestInterface[]
  tags: Record<string, string>
  /** What the guest's metadata endpoint shows beside; the host needs none of it. */
  shown?: ShownFacts
}

/** A network interface as the guest sees it. Nothing but the guest is at its other end. */
export interface GuestInterface {
  macAddress: string
  /** IPv4; the guest gets it by DHCP. */
  privateIpAddress: string
  /** CIDR prefix of its subnet, for example 10.0.1.0/24. */
  subnetPrefix: string
}

/** Key of a disk-encryption set: without its release the guest state, and the disk behind it, stay closed. */
export interface CustomerKey {
  /** ARM id of the set. */
  diskEncryptionSet: string
  /** ARM id of the resource whose managed identity reads the key: the set, or a user-assigned identity. */
  identity: string
  /** Key identifiers with version. New guest states go under the first; one that is under another of them opens with that. */
  keyIds: string[]
}

/** A confidential VM. */
export interface InstanceSpec extends VmSpec {
  tee: Tee
  security: { encryption: SecurityEncryptionType; secureBoot: boolean; vTpm: boolean }
  /** Platform-managed key that wraps the guest state's data key: key identifier with version. Absent with NonPersistedTPM: there is no guest state. */
  guestStateKey?: string
  /** A customer's key that wraps the guest state beside it. Absent: the platform's alone. */
  customerKey?: CustomerKey
  /** Provider that attests the boot, for example https://sharedweu.weu.attest.strongroom.internal. Nobody does with NonPersistedTPM. */
  attestationProvider: string
}

/** A VM that keeps the host out of nothing: no processor measures it, no key is released for it. */
export interface OrdinarySpec extends VmSpec {
  ordinary: 'Standard' | 'TrustedLaunch'
  security: { secureBoot: boolean; vTpm: boolean }
}

export type AnySpec = InstanceSpec | OrdinarySpec

export const isOrdinary = (spec: AnySpec): spec is OrdinarySpec => 'ordinary' in spec

/** Facts of the resource manager that a guest may read at 169.254.169.254. */
export interface ShownFacts {
  imageReference?: { id: string } | { publisher: string; offer: string; sku: string; version: string }
  zone?: string
  osDisk?: { name: string; caching: string; storageAccountType: string }
  /** CIDR prefix of the primary interface's subnet, for example 10.0.0.0/24. */
  subnetPrefix?: string
}

/** A boot without a guest, for its evidence: launch, attestation, key release and vTPM are real. */
export interface SimulatedBoot {
  bootId: string
  spec: InstanceSpec
}

export interface InstancePatch {
  size?: InstanceSpec['size']
  security?: Partial<Pick<InstanceSpec['security'], 'secureBoot'>>
  userData?: string
  tags?: Record<string, string>
  network?: VmSpec['network']
  interfaces?: GuestInterface[]
  shown?: ShownFacts
  customerKey?: CustomerKey
}

/** A VM of one technology becomes one of the other: its guest state is opened under the old and wrapped for the new. */
export interface InstanceConversion {
  tee: Tee
  size: InstanceSpec['size']
  /** Key identifier with version; its release policy asks for evidence of the new technology. */
  guestStateKey: string
}

/** A shell script for a running guest. Its agent runs it only where the owner signed it (docs/run-command.md). */
export interface CommandRequest {
  /** Lower-case GUID; the same id again is the same command. */
  id: string
  script: string
  /** Environment variables; what is signed takes none. */
  parameters: { name: string; value: string }[]
  timeoutSeconds: number
}

export interface CommandStatus {
  id: string
  /** Refused: the guest did not run it, and says why. */
  state: 'Pending' | 'Running' | 'Done' | 'Refused'
  startedAt?: string
  endedAt?: string
  exitCode?: number
  /** The last 4 KiB of each. */
  stdout?: string
  stderr?: string
  refused?: string
}

export interface StopRequest {
  /** False pulls the plug; true asks the guest through ACPI and pulls it after a limit. */
  graceful: boolean
}

export interface StepTiming {
  name: string
  startedAt: string
  endedAt?: string
}

export type ProvisioningState = 'Running' | 'Succeeded' | 'Failed'
/** Booting: firmware runs, the guest has not reported. Ready: it has. Failed: it did not start or did not unlock. */
export type PowerState = 'Stopped' | 'Starting' | 'Booting' | 'Ready' | 'Stopping' | 'Failed'

export interface InstanceStatus {
  vmId: string
  spec: AnySpec
  provisioning: { state: ProvisioningState; steps: StepTiming[]; error?: ErrorDetail }
  power: { state: PowerState; since: string; steps: StepTiming[]; error?: ErrorDetail }
  /** What was really launched; the launch measurement describes this, not the size that was asked for. */
  launched?: {
    vCPUs: number
    memoryMiB: number
    acceleration: 'kvm' | 'tcg'
    cpuModel: string
    /** Of confidential VMs alone. */
    launchMeasurement?: string
  }
  /** Plain sentences for the instance view, for example that the host bears less memory than the size has. */
  notices: string[]
  /** In order of their LUNs; absent where it has none. */
  dataDisks?: AttachedDisk[]
  /** What the guest said of itself last, while it runs. */
  guest?: GuestHealth
  /** Identifier of the customer's key that the guest state is under now. */
  guestStateWrappedBy?: string
  ssh?: { host: string; port: number }
  processes?: { qemu: number; swtpm?: number }
}

export interface ImageRecord {
  id: string
  name: string
  version: string
  /** Where the disk file lies, raw. */
  path: string
  sizeBytes: number
  /** Hexadecimal; empty for a disk that was captured or copied. */
  sha256: string
  builtAt: string
  source: 'reference' | 'import' | 'capture'
  osType: 'Linux'
  /** Whether the image may carry a confidential VM, and per encryption type why not. */
  qualifies: { confidential: boolean; diskEncryption: boolean; reasons: string[] }
  os: { id: string; versionId: string; kernel: string }
  /** The disk comes with guest state: VMs made of it have this encryption type, and begin with its UEFI variables. */
  guestState?: { encryption: SecurityEncryptionType; secureBoot: boolean }
}

/** The reference image, and the same with Debian's cloud-init. */
export const imageVariants = ['reference', 'cloud-init'] as const
export type ImageVariant = (typeof imageVariants)[number]

/** Answer of `GET /images/{id}/measurements`. */
export interface ImageMeasurementsDocument {
  /** Compact JWS (docs/design/0008-image-measurements.md). */
  jws: string
}

/** The image of an installation without guests, which stands for the reference image: nothing ever starts it. */
export const standInImage = { id: 'debian-13-cvm', name: 'debian-13', version: '13.0.0' } as const

export interface ImageBuildStatus {
  state: 'Absent' | 'Running' | 'Succeeded' | 'Failed'
  steps: StepTiming[]
  image?: ImageRecord
  error?: ErrorDetail
}
