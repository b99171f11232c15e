import type { AnyBootEvidence } from '../../boot-evidence.ts'
import {
  anyObject,
  anyText,
  count,
  integer,
  list,
  named,
  object,
  oneOf,
  optional,
  type Shape,
  type TypeOf,
} from '../../shape/index.ts'
import { errorDetail, steps } from '../answers.ts'
import { healthMembers } from '../guest/health.ts'
import { attachedDisks } from './requests.ts'
import { anySpec } from './vm.ts'

const guestHealth = named('GuestHealth', object({ reportedAt: anyText, ...healthMembers }))
export type GuestHealth = TypeOf<typeof guestHealth>

const provisioningState = oneOf('Running', 'Succeeded', 'Failed')
export type ProvisioningState = TypeOf<typeof provisioningState>
export const powerState = oneOf('Stopped', 'Starting', 'Booting', 'Ready', 'Stopping', 'Failed')
/** Booting: firmware runs, the guest has not reported. Ready: it has. Failed: it did not start or did not unlock. */
export type PowerState = TypeOf<typeof powerState>

export const instanceStatus = named(
  'InstanceStatus',
  object({
    vmId: anyText,
    spec: anySpec,
    provisioning: object({ state: provisioningState, steps, error: optional(errorDetail) }),
    power: object({ state: powerState, since: anyText, steps, error: optional(errorDetail) }),
    /** What was really launched; the launch measurement describes this, not the requested size. */
    launched: optional(
      object({
        vCPUs: count,
        memoryMiB: count,
        acceleration: oneOf('kvm', 'tcg'),
        cpuModel: anyText,
        /** Confidential VMs only. */
        launchMeasurement: optional(anyText),
      }),
    ),
    /** Plain sentences for the instance view, for example that the host provides less memory than the size has. */
    notices: list(anyText),
    /** In LUN order; absent without any. */
    dataDisks: optional(attachedDisks),
    /** The guest's last report about itself, while it runs. */
    guest: optional(guestHealth),
    /** Identifier of the customer's key that currently protects the guest state. */
    guestStateWrappedBy: optional(anyText),
    ssh: optional(object({ host: anyText, port: count })),
    processes: optional(object({ qemu: count, swtpm: optional(count) })),
  }),
)
export type InstanceStatus = TypeOf<typeof instanceStatus>

export const commandStatus = named(
  'CommandStatus',
  object({
    id: anyText,
    /** Refused: the guest did not run it, and gives the reason. */
    state: oneOf('Pending', 'Running', 'Done', 'Refused'),
    startedAt: optional(anyText),
    endedAt: optional(anyText),
    exitCode: optional(integer(-1, 255)),
    /** The last 4 KiB of each. */
    stdout: optional(anyText),
    stderr: optional(anyText),
    refused: optional(anyText),
  }),
)
export type CommandStatus = TypeOf<typeof commandStatus>

/** The evidence package documents each part. */
export const bootEvidence = named('BootEvidence', anyObject as Shape<unknown> as Shape<AnyBootEvidence>)
