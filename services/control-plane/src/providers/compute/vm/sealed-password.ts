/** An administrator's password as it is kept: never in clear, and its hash sealed. */
export interface SealedPassword {
  /** Base64; of the hash that the guest gets. */
  sealed: string
  /** SHA-256 of the hash, hexadecimal: what the guest measures into PCR 14. Without the salt inside the hash it tells nothing. */
  digest: string
}
