import {
  anyObject,
  anyText,
  exactly,
  flag,
  list,
  named,
  object,
  oneOf,
  optional,
  type TypeOf,
} from '../../shape/index.ts'

const members = {
  id: anyText,
  /** ISO time. */
  at: anyText,
  /** Host name of the provider. */
  provider: anyText,
  /** SevSnpVm, TdxVm, AzureGuest or Tpm. */
  type: anyText,
  /** Address that asked: attestation is anonymous. */
  caller: anyText,
  /** Permitted: a token was issued. Denied: genuine, and the policy did not permit it. Refused: not genuine, or not readable. */
  outcome: oneOf('Permitted', 'Denied', 'Refused'),
  code: optional(anyText),
  message: optional(anyText),
  /** SHA-256 of the report, quote or request, lower-case hexadecimal. */
  evidenceDigest: anyText,
  /** As `x-ms-policy-hash`; absent where no policy was asked. */
  policyHash: optional(anyText),
  /** `jti` of the token. The token itself is not kept. */
  tokenId: optional(anyText),
  /** Whether the silicon was the installation's own. */
  simulated: flag,
  /** Rules that did not permit. */
  failedRules: list(object({ rule: anyText, expected: anyText, found: anyText })),
  /** Checks that evidence did not pass. */
  failedChecks: list(
    object({ code: anyText, target: optional(anyText), expected: optional(anyText), found: optional(anyText) }),
  ),
  /** What kept a machine from being compliant. */
  shortcomings: list(object({ path: anyText, message: anyText })),
  /** Intel's advisories that touch the platform. */
  advisories: list(anyText),
}
export const decisionView = named('Decision', object(members))
export type DecisionView = TypeOf<typeof decisionView>

const claims = {
  /** Of the token, where one was issued. */
  claims: optional(anyObject),
  /** Of the evidence, `pcrs` and `events` of a guest among them, where the policy did not permit it. */
  policyClaims: optional(anyObject),
}
const decidedClaims = object(claims)
/** What a policy was asked about, to ask another one. At most one of both: refused evidence has neither. */
export type DecidedClaims = TypeOf<typeof decidedClaims>

export const decisionList = named(
  'DecisionList',
  object({ value: list(object({ ...members, ...claims })), nextLink: optional(anyText) }),
)
export type DecisionList = TypeOf<typeof decisionList>

export const decisionBundle = named(
  'DecisionBundle',
  object({
    ...claims,
    format: exactly('strongroom-attestation-decision'),
    version: exactly(1),
    decision: decisionView,
    /** The policy that was asked. */
    policy: optional(object({ text: anyText, hash: anyText })),
    /** Evidence and collateral as they were judged; bytes as base64. */
    evidence: anyObject,
  }),
)
export type DecisionBundle = TypeOf<typeof decisionBundle>
