import {
  isOrdinary,
  type AnySpec,
  type AttachedDisk,
  type ErrorDetail,
  type InstancePatch,
  type InstanceStatus,
  type PowerState,
  type StepTiming,
} from '@strongroom/contract'

/** A VM's record between starts of the server. The store seals its only secret, a password hash. */
export interface InstanceRecord {
  spec: AnySpec
  /** The last requested state. A starting server restores it. */
  desired: 'running' | 'stopped' | 'deleted'
  provisioning: InstanceStatus['provisioning']
  power: InstanceStatus['power']
  launched?: NonNullable<InstanceStatus['launched']>
  /** `spec` has the other technology, and its guest state is not in place yet. */
  converted?: boolean
  /**
   * The last replacement of the OS disk's volume key. Until it is placed, the disk and the guest state beside the VM's own are those that
   * count.
   */
  rekeyed?: { id: string; placed: boolean }
  notices: string[]
  /** In LUN order; absent without data disks. */
  dataDisks?: AttachedDisk[]
  sshPort?: number
  /** Public keys of the vTPM, SubjectPublicKeyInfo in base64. Absent until provisioned. */
  identity?: { akSpki: string; ekSpki: string }
  /** SHA-256 PCRs that the OS disk's key is sealed to, hexadecimal by register. Absent without encryption. */
  sealedTo?: Record<string, string>
  /** What PCR 15 of every boot begins with, hexadecimal: the digest of the volume on the OS disk. */
  volume?: string
  /** Identifier of the customer's key that wraps the guest state. */
  wrappedBy?: string
}

export function newRecord(spec: AnySpec, now: Date): InstanceRecord {
  return {
    spec,
    desired: 'stopped',
    provisioning: { state: 'Running', steps: [] },
    power: { state: 'Stopped', since: now.toISOString(), steps: [] },
    notices: [],
  }
}

/** Begins a step, ending the previous one. */
export function beginStep(steps: StepTiming[], name: string, now: Date): void {
  endStep(steps, now)
  steps.push({ name, startedAt: now.toISOString() })
}

export function endStep(steps: StepTiming[], now: Date): void {
  const last = steps.at(-1)
  if (last !== undefined && last.endedAt === undefined) last.endedAt = now.toISOString()
}

export function setPower(record: InstanceRecord, state: PowerState, now: Date, error?: ErrorDetail): void {
  if (state === 'Starting') record.power.steps = []
  record.power = { state, since: now.toISOString(), steps: record.power.steps, ...(error && { error }) }
}

/** What a patch changes in a stopped VM. */
export function applyPatch({ spec }: InstanceRecord, patch: InstancePatch): void {
  if (patch.size) spec.size = patch.size
  if (patch.security?.secureBoot !== undefined) spec.security.secureBoot = patch.security.secureBoot
  if (patch.tags) spec.tags = patch.tags
  if (patch.customerKey && !isOrdinary(spec)) spec.customerKey = patch.customerKey
  if (patch.secureBootUpdates && !isOrdinary(spec)) spec.secureBootUpdates = patch.secureBootUpdates
  if (patch.settings && !isOrdinary(spec)) spec.settings = patch.settings
  if (patch.userData !== undefined) spec.userData = patch.userData
  if (patch.network) spec.network = patch.network
  if (patch.interfaces) spec.interfaces = patch.interfaces
  if (patch.shown) spec.shown = patch.shown
}

/** What a host reports about a VM: without the hash of its password. */
function toldSpec(spec: AnySpec): AnySpec {
  const { passwordHash: _, ...osProfile } = spec.osProfile
  return { ...spec, osProfile }
}

/** @param bootNumber of the guest whose processes these are */
export function toStatus(
  record: InstanceRecord,
  processes?: { qemu: number; swtpm?: number },
  bootNumber?: string,
): InstanceStatus {
  return {
    vmId: record.spec.vmId,
    spec: toldSpec(record.spec),
    provisioning: record.provisioning,
    power: record.power,
    ...(record.launched && { launched: record.launched }),
    notices: record.notices,
    ...(record.dataDisks && { dataDisks: record.dataDisks }),
    ...(record.wrappedBy !== undefined && { guestStateWrappedBy: record.wrappedBy }),
    ...(processes && record.sshPort !== undefined && { ssh: { host: '127.0.0.1', port: record.sshPort } }),
    ...(processes && { processes }),
    ...(processes && bootNumber !== undefined && { bootNumber }),
  }
}
