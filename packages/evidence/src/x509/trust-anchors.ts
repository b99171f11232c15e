import type { Jwk } from '../core/jwk.ts'

/** A vendor's root, pinned by its key so that it cannot be reissued under another one. */
export interface TrustAnchor {
  /** Common name, for display. Never used to decide. */
  name: string
  /** SHA-256 of the DER SubjectPublicKeyInfo, lower-case hexadecimal. */
  spkiSha256: string
}

/** Trusted roots. `simulated` means that at least one root belongs to an installation, and offers no protection from the host. */
export interface TrustAnchors {
  simulated: boolean
  amd: TrustAnchor[]
  intel: TrustAnchor[]
  /** For AWS's Nitro documents; none by default. */
  aws?: TrustAnchor[]
  /** Public keys that sign image measurements (expect/predict/image-measurements.ts); none by default. */
  images?: Jwk[]
}
