import { count, flag, list, named, number, object, oneOf, optional, text, type TypeOf } from '../../shape/index.ts'

const name = text(/^[A-Za-z0-9_./:-]{1,200}$/, 'the name of a device, a file or a type')
/** More than any guest has. */
const most = 128

const guestSwap = object({
  /** Device or file. */
  name,
  type: name,
  sizeKiB: count,
  /** Whether data written to it is protected from the host: on dm-crypt, or in memory. */
  protected: flag,
})
export type GuestSwap = TypeOf<typeof guestSwap>

const guestDisk = object({
  place: text(/^(lun([0-9]|[1-5][0-9]|6[0-3])|resource)$/, 'lun0 to lun63, or resource for the temporary disk'),
  device: name,
  sizeBytes: count,
  /** Whether dm-crypt is on it. */
  encrypted: flag,
})
export type GuestDisk = TypeOf<typeof guestDisk>

/**
 * What only the guest can observe about itself, sent to its metadata endpoint periodically and on its administrator's
 * request. Unverified: shown in the instance view, and nothing depends on it.
 */
export const healthMembers = {
  swaps: list(guestSwap, { most }),
  clock: object({
    /** Whether chrony runs. */
    daemon: oneOf('active', 'inactive'),
    /** Whether its configuration names the host's PTP clock. */
    ptpReference: flag,
    /** The host's time minus the guest's, in seconds; absent if the host's clock did not answer. */
    offsetSeconds: optional(number),
  }),
  tpm: object({
    /** /dev/tpmrm0 is there. */
    device: flag,
    /** Whether the TPM refuses authorisations after too many wrong ones. */
    lockout: flag,
    /** Whether a secret was sealed under the storage key and opened again. */
    seals: flag,
  }),
  disks: list(guestDisk, { most }),
}
export const healthReport = named('HealthReport', object(healthMembers))
