import { compliantCvm } from '@strongroom/contract'
import type { EvidenceRecord } from '../record/evidence-record.ts'
import type { OfferedType } from '../providers/providers.ts'

/** Evidence that was verified, as claims; nothing here is the word of the sender alone. */
export interface AttestedEvidence {
  type: OfferedType
  /** `x-ms-attestation-type`. */
  attestationType: 'sevsnpvm' | 'tdxvm' | 'azurevm' | 'tpm'
  /** True when the root belongs to the installation: no host is kept out. */
  simulated: boolean
  /** SHA-256 of report or quote, lower-case hexadecimal. */
  digest: string
  /** Claims of this technology, runtime and init-time data included. */
  claims: Record<string, unknown>
  /** Claims that policies see and no token shows. */
  policyClaims?: Record<string, unknown>
  /** Of a guest: the evidence of its hardware, whose claims are nested in its own. */
  isolation?: AttestedEvidence
  /** Weaknesses that a policy accepts by naming their claim in an authorization rule, or not at all. */
  byNameOnly: Weakness[]
  /** What is kept of it with the decision. */
  record: EvidenceRecord
  /** What keeps it from being a compliant confidential VM; empty for one that is. */
  shortcomings: Shortcoming[]
}

export interface Weakness {
  claim: string
  /** The claim whose member it is; absent where it is a claim of its own. */
  within?: string
  message: string
}

export interface Shortcoming {
  /** Claim at fault. */
  path: string
  message: string
}

/** Who sent evidence, and where. */
export interface Asking {
  /** Whose roots count; those that count everywhere where it is absent. */
  providerHost?: string
  /** Who is counted for what AMD and Intel are asked for it; absent for the platform's own. */
  caller: string | undefined
}

/**
 * What the service itself says of evidence: all that policies see and tokens show. Compliance is said of the hardware's own
 * evidence alone; of a guest, in the claims nested for its hardware.
 */
export function serviceClaims(evidence: AttestedEvidence): Record<string, unknown> {
  const ofHardware = evidence.type === 'SevSnpVm' || evidence.type === 'TdxVm'
  return {
    ...evidence.claims,
    'x-ms-attestation-type': evidence.attestationType,
    ...(ofHardware && evidence.shortcomings.length === 0 ? { 'x-ms-compliance-status': compliantCvm } : {}),
    ...(evidence.simulated ? { 'x-strongroom-simulated': true } : {}),
  }
}
