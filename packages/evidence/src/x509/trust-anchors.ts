import type { Jwk } from '../core/jwk.ts'

/** A vendor's root, pinned by what cannot be re-issued under another key. */
export interface TrustAnchor {
  /** Common name, for people. Never used to decide. */
  name: string
  /** SHA-256 of the DER SubjectPublicKeyInfo, lower-case hexadecimal. */
  spkiSha256: string
}

/** Whose word is taken. `simulated` says that at least one root belongs to an installation and keeps no host out. */
export interface TrustAnchors {
  simulated: boolean
  amd: TrustAnchor[]
  intel: TrustAnchor[]
  /** Of AWS's Nitro documents; none unless given. */
  aws?: TrustAnchor[]
  /** Public keys that sign what images measure (expect/predict/image-measurements.ts); none unless given. */
  images?: Jwk[]
}
