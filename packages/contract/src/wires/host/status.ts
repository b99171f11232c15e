import type { AnyBootEvidence } from './boot-evidence.ts'
import {
  anyObject,
  count,
  integer,
  list,
  named,
  object,
  oneOf,
  optional,
  text,
  type Shape,
  type TypeOf,
} from '../../shape/index.ts'
import { errorDetail, steps } from '../elements/answers.ts'
import { healthMembers } from '../guest/health.ts'
import { bootNumber, keyIdentifier, line, ownId, port, remark, time, vmId } from '../elements/names.ts'
import { attachedDisks } from './requests.ts'
import { anySpec } from './vm.ts'

const guestHealth = named('GuestHealth', object({ reportedAt: time, ...healthMembers }))
export type GuestHealth = TypeOf<typeof guestHealth>

const provisioningState = oneOf('Running', 'Succeeded', 'Failed')
export type ProvisioningState = TypeOf<typeof provisioningState>
export const powerState = oneOf('Stopped', 'Starting', 'Booting', 'Ready', 'Stopping', 'Failed')
/** Booting: firmware runs, the guest has not reported. Ready: it has. Failed: it did not start or did not unlock. */
export type PowerState = TypeOf<typeof powerState>

export const provisioning = object({ state: provisioningState, steps, error: optional(errorDetail) })
export const launched = object({
  vCPUs: integer(1, 256),
  memoryMiB: integer(1, 4_194_304),
  acceleration: oneOf('kvm', 'tcg'),
  cpuModel: line,
  /** Confidential VMs only. */
  launchMeasurement: optional(text(/^[0-9a-f]{2,128}$/, 'a digest in hexadecimal')),
})
export const notices = list(remark, { most: 1000 })

export const instanceStatus = named(
  'InstanceStatus',
  object({
    vmId,
    spec: anySpec,
    provisioning,
    power: object({ state: powerState, since: time, steps, error: optional(errorDetail) }),
    /** What was really launched; the launch measurement describes this, not the requested size. */
    launched: optional(launched),
    /** Plain sentences for the instance view, for example that the host provides less memory than the size has. */
    notices,
    /** In LUN order; absent without any. */
    dataDisks: optional(attachedDisks),
    /** The guest's last report about itself, while it runs. */
    guest: optional(guestHealth),
    /** What the guest names its boot by, while it runs: scripts are signed for it (docs/guides/guests.md). Unverified. */
    bootNumber: optional(bootNumber),
    /** Identifier of the customer's key that currently protects the guest state. */
    guestStateWrappedBy: optional(keyIdentifier),
    ssh: optional(object({ host: line, port })),
    processes: optional(object({ qemu: count, swtpm: optional(count) })),
  }),
)
export type InstanceStatus = TypeOf<typeof instanceStatus>

export const commandStatus = named(
  'CommandStatus',
  object({
    id: ownId,
    /** Refused: the guest did not run it, and gives the reason. Unknown: the boot or the guest's agent ended before there was a result. */
    state: oneOf('Pending', 'Running', 'Done', 'Refused', 'Unknown'),
    startedAt: optional(time),
    endedAt: optional(time),
    exitCode: optional(integer(-1, 255)),
    /** The last 4 KiB of each. */
    stdout: optional(remark),
    stderr: optional(remark),
    refused: optional(remark),
  }),
)
export type CommandStatus = TypeOf<typeof commandStatus>

/** The evidence package documents each part. */
export const bootEvidence = named('BootEvidence', anyObject as Shape<unknown> as Shape<AnyBootEvidence>)
