import { count, flag, list, named, number, object, oneOf, optional, text, type TypeOf } from '../../shape/index.ts'

const name = text(/^[A-Za-z0-9_./:-]{1,200}$/, 'the name of a device, a file or a type')
/** More than any guest has. */
const most = 128

const guestSwap = object({
  /** Device or file. */
  name,
  type: name,
  sizeKiB: count,
  /** Whether what is written to it is kept from the host: on dm-crypt, or in memory. */
  protected: flag,
})
export type GuestSwap = TypeOf<typeof guestSwap>

const guestDisk = object({
  place: text(/^(lun([0-9]|[1-5][0-9]|6[0-3])|resource)$/, 'lun0 to lun63, or resource for the temporary disk'),
  device: name,
  sizeBytes: count,
  /** Whether dm-crypt lies on it. */
  encrypted: flag,
})
export type GuestDisk = TypeOf<typeof guestDisk>

/**
 * What only the guest can see about itself, as it tells its metadata endpoint from time to time and when its administrator asks.
 * The guest's word: shown in the instance view, and nothing is decided by it.
 */
export const healthMembers = {
  swaps: list(guestSwap, { most }),
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
  disks: list(guestDisk, { most }),
}
export const healthReport = named('HealthReport', object(healthMembers))
