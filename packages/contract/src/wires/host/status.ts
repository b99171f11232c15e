import type { AnyBootEvidence } from '../../boot-evidence.ts'
import {
  anyObject,
  anyText,
  count,
  flag,
  integer,
  list,
  named,
  number,
  object,
  oneOf,
  optional,
  type Shape,
  type TypeOf,
} from '../../shape/index.ts'
import { errorDetail, steps } from '../answers.ts'
import { attachedDisks } from './requests.ts'
import { anySpec } from './vm.ts'

const guestSwap = object({
  /** Device or file. */
  name: anyText,
  type: anyText,
  sizeKiB: count,
  /** Whether what is written to it is kept from the host: on dm-crypt, or in memory. */
  protected: flag,
})
export type GuestSwap = TypeOf<typeof guestSwap>

const guestDisk = object({
  /** `lun0` … `lun63`, or `resource` for the temporary disk. */
  place: anyText,
  device: anyText,
  sizeBytes: count,
  /** Whether dm-crypt lies on it. */
  encrypted: flag,
})
export type GuestDisk = TypeOf<typeof guestDisk>

const guestHealth = named(
  'GuestHealth',
  object({
    reportedAt: anyText,
    swaps: list(guestSwap),
    clock: object({
      /** Whether chrony keeps the clock. */
      daemon: oneOf('active', 'inactive'),
      /** Whether its configuration names the host's PTP clock. */
      ptpReference: flag,
      /** The host's time less the guest's, in seconds; absent where the host's clock did not answer. */
      offsetSeconds: optional(number),
    }),
    tpm: object({
      /** /dev/tpmrm0 is there. */
      device: flag,
      /** The TPM refuses authorisations after too many wrong ones. */
      lockout: flag,
      /** A secret was sealed under the storage key and opened again. */
      seals: flag,
    }),
    disks: list(guestDisk),
  }),
)
/**
 * What only the guest can see of itself, as it tells its metadata endpoint (`POST /metadata/strongroom/health`) from time to
 * time and when its administrator asks. The guest's word: shown in the instance view, and nothing is decided by it.
 */
export type GuestHealth = TypeOf<typeof guestHealth>

const provisioningState = oneOf('Running', 'Succeeded', 'Failed')
export type ProvisioningState = TypeOf<typeof provisioningState>
const powerState = oneOf('Stopped', 'Starting', 'Booting', 'Ready', 'Stopping', 'Failed')
/** Booting: firmware runs, the guest has not reported. Ready: it has. Failed: it did not start or did not unlock. */
export type PowerState = TypeOf<typeof powerState>

export const instanceStatus = named(
  'InstanceStatus',
  object({
    vmId: anyText,
    spec: anySpec,
    provisioning: object({ state: provisioningState, steps, error: optional(errorDetail) }),
    power: object({ state: powerState, since: anyText, steps, error: optional(errorDetail) }),
    /** What was really launched; the launch measurement describes this, not the size that was asked for. */
    launched: optional(
      object({
        vCPUs: count,
        memoryMiB: count,
        acceleration: oneOf('kvm', 'tcg'),
        cpuModel: anyText,
        /** Of confidential VMs alone. */
        launchMeasurement: optional(anyText),
      }),
    ),
    /** Plain sentences for the instance view, for example that the host bears less memory than the size has. */
    notices: list(anyText),
    /** In order of their LUNs; absent where it has none. */
    dataDisks: optional(attachedDisks),
    /** What the guest said of itself last, while it runs. */
    guest: optional(guestHealth),
    /** Identifier of the customer's key that the guest state is under now. */
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
    /** Refused: the guest did not run it, and says why. */
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

/** The evidence package says what each part is. */
export const bootEvidence = named('BootEvidence', anyObject as Shape<unknown> as Shape<AnyBootEvidence>)
