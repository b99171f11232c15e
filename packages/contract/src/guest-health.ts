/**
 * What only the guest can see of itself, as it tells its metadata endpoint (`POST /metadata/strongroom/health`) from time to
 * time and when its administrator asks. The guest's word: shown in the instance view, and nothing is decided by it.
 */
export interface GuestHealth {
  reportedAt: string
  swaps: GuestSwap[]
  clock: {
    /** Whether chrony keeps the clock. */
    daemon: 'active' | 'inactive'
    /** Whether its configuration names the host's PTP clock. */
    ptpReference: boolean
    /** The host's time less the guest's, in seconds; absent where the host's clock did not answer. */
    offsetSeconds?: number
  }
  tpm: {
    /** /dev/tpmrm0 is there. */
    device: boolean
    /** The TPM refuses authorisations after too many wrong ones. */
    lockout: boolean
    /** A secret was sealed under the storage key and opened again. */
    seals: boolean
  }
  disks: GuestDisk[]
}

export interface GuestSwap {
  /** Device or file. */
  name: string
  type: string
  sizeKiB: number
  /** Whether what is written to it is kept from the host: on dm-crypt, or in memory. */
  protected: boolean
}

export interface GuestDisk {
  /** `lun0` … `lun63`, or `resource` for the temporary disk. */
  place: string
  device: string
  sizeBytes: number
  /** Whether dm-crypt lies on it. */
  encrypted: boolean
}
