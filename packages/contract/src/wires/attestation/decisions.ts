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
  /** The caller's address: attestation is anonymous. */
  caller: anyText,
  /** Permitted: a token was issued. Denied: genuine, but the policy did not permit it. Refused: not genuine, or unreadable. */
  outcome: oneOf('Permitted', 'Denied', 'Refused'),
  code: optional(anyText),
  message: optional(anyText),
  /** SHA-256 of the report, quote or request, lower-case hexadecimal. */
  evidenceDigest: anyText,
  /** As `x-ms-policy-hash`; absent if no policy was evaluated. */
  policyHash: optional(anyText),
  /** `jti` of the token, which itself is not stored. */
  tokenId: optional(anyText),
  /** Whether the silicon was the installation's own. */
  simulated: flag,
  /** Rules that did not permit. */
  failedRules: list(object({ rule: anyText, expected: anyText, found: anyText })),
  /** Checks that the evidence failed. */
  failedChecks: list(
    object({ code: anyText, target: optional(anyText), expected: optional(anyText), found: optional(anyText) }),
  ),
  /** Why a machine was not compliant. */
  shortcomings: list(object({ path: anyText, message: anyText })),
  /** Intel's advisories that apply to the platform. */
  advisories: list(anyText),
}
export const decisionView = named('Decision', object(members))
export type DecisionView = TypeOf<typeof decisionView>

const claims = {
  /** The token's, if one was issued. */
  claims: optional(anyObject),
  /** The evidence's, including a guest's `pcrs` and `events`, if the policy denied it. */
  policyClaims: optional(anyObject),
}
const decidedClaims = object(claims)
/** The claims that a policy evaluated, to try another policy. At most one of the two: refused evidence has neither. */
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
    /** The evaluated policy. */
    policy: optional(object({ text: anyText, hash: anyText })),
    /** Evidence and collateral as judged; bytes as base64. */
    evidence: anyObject,
  }),
)
export type DecisionBundle = TypeOf<typeof decisionBundle>
