import { compliantCvm, type AttestationType } from '@strongroom/contract'
import type { EvidenceRecord } from '../store/decision-entry.ts'

/** Verified evidence, as claims; none rests on the sender's word alone. */
export interface AttestedEvidence {
  type: AttestationType
  /** `x-ms-attestation-type`. */
  attestationType: 'sevsnpvm' | 'tdxvm' | 'azurevm' | 'tpm'
  /** True if the root belongs to the installation: no protection from the host. */
  simulated: boolean
  /** SHA-256 of report or quote, lower-case hexadecimal. */
  digest: string
  /** Claims of this technology, including runtime and init-time data. */
  claims: Record<string, unknown>
  /** Claims that policies see but no token contains. */
  policyClaims?: Record<string, unknown>
  /** For a guest: the evidence of its hardware, whose claims are nested in the guest's. */
  isolation?: AttestedEvidence
  /** Weaknesses that a policy can accept only by naming their claim in an authorization rule. */
  byNameOnly: Weakness[]
  /** What is stored of it with the decision. */
  record: EvidenceRecord
  /** Why it is not a compliant confidential VM; empty for one that is. */
  shortcomings: Shortcoming[]
}

export interface Weakness {
  claim: string
  /** The claim that contains it; absent for a top-level claim. */
  within?: string
  message: string
}

export interface Shortcoming {
  /** Claim at fault. */
  path: string
  message: string
}

/** Who sent evidence, and to which provider. */
export interface Asking {
  /** Whose roots are accepted; by default, those accepted everywhere. */
  providerHost?: string
  /** Who is charged for requests to AMD and Intel; absent for the platform itself. */
  caller: string | undefined
}

/**
 * The service's own claims about evidence: everything that policies see and tokens show. Compliance is claimed only for
 * the hardware's own evidence; for a guest, in the claims nested for its hardware.
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
