import type { OfferedType } from '../providers/providers.ts'

export type ClaimJson = string | number | boolean | null | ClaimJson[] | { [name: string]: ClaimJson }

/** Evidence that was verified, as claims; nothing here is the word of the sender alone. */
export interface AttestedEvidence {
  type: OfferedType
  /** `x-ms-attestation-type`. */
  attestationType: 'sevsnpvm' | 'tdxvm'
  /** True when the root belongs to the installation: no host is kept out. */
  simulated: boolean
  /** SHA-256 of report or quote, lower-case hexadecimal. */
  digest: string
  /** Claims of this technology, runtime and init-time data included. */
  claims: Record<string, unknown>
  /** Claim that says whether the host can read the machine by its debug interface. */
  debugClaim: string
  debuggable: boolean
  /** What keeps it from being a compliant confidential VM; empty for one that is. */
  shortcomings: Shortcoming[]
}

export interface Shortcoming {
  /** Claim at fault. */
  path: string
  message: string
}
