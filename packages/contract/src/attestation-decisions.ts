/**
 * Decisions on record: an extension of the attestation provider's wire, for who may read its policies (Attestation Reader; of a
 * shared provider the owner). Bearer token with audience `attestationAudience`; `api-version` as everywhere.
 *
 * GET /decisions?$top=50            → DecisionList     newest first; `nextLink` leads on
 *   &$expand=claims                                    each with `claims` or `policyClaims`, where they are kept; $top up to 100
 * GET /decisions/{id}               → DecisionView
 * GET /decisions/{id}/bundle        → DecisionBundle   with the evidence; `strongroom evidence verify` judges it offline
 */
export interface DecisionView {
  id: string
  /** ISO time. */
  at: string
  /** Host name of the provider. */
  provider: string
  /** SevSnpVm, TdxVm, AzureGuest or Tpm. */
  type: string
  /** Address that asked: attestation is anonymous. */
  caller: string
  /** Permitted: a token was issued. Denied: genuine, and the policy did not permit it. Refused: not genuine, or not readable. */
  outcome: 'Permitted' | 'Denied' | 'Refused'
  code?: string
  message?: string
  /** SHA-256 of the report, quote or request, lower-case hexadecimal. */
  evidenceDigest: string
  /** As `x-ms-policy-hash`; absent where no policy was asked. */
  policyHash?: string
  /** `jti` of the token. The token itself is not kept. */
  tokenId?: string
  /** Whether the silicon was the installation's own. */
  simulated: boolean
  /** Rules that did not permit. */
  failedRules: { rule: string; expected: string; found: string }[]
  /** Checks that evidence did not pass. */
  failedChecks: { code: string; target?: string; expected?: string; found?: string }[]
  /** What kept a machine from being compliant. */
  shortcomings: { path: string; message: string }[]
  /** Intel's advisories that touch the platform. */
  advisories: string[]
}

/** What a policy was asked about, to ask another one. At most one of both: refused evidence has neither. */
export interface DecidedClaims {
  /** Of the token, where one was issued. */
  claims?: Record<string, unknown>
  /** Of the evidence, `pcrs` and `events` of a guest among them, where the policy did not permit it. */
  policyClaims?: Record<string, unknown>
}

export interface DecisionList {
  value: (DecisionView & DecidedClaims)[]
  nextLink?: string
}

export interface DecisionBundle extends DecidedClaims {
  format: 'strongroom-attestation-decision'
  version: 1
  decision: DecisionView
  /** The policy that was asked. */
  policy?: { text: string; hash: string }
  /** Evidence and collateral as they were judged; bytes as base64. */
  evidence: Record<string, unknown>
}
