import type { DecidedClaims } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { evaluatePolicy, incomingClaims, issuedClaims, looksAt, type PolicyOutcome } from '@strongroom/policy'
import { policyDenial, policyFailure } from '../core/errors.ts'
import { serviceClaims, type AttestedEvidence } from '../evidence/attested.ts'
import type { LoadedPolicy, Policies } from '../policy/policies.ts'
import { requireQuotedPcrs } from '../policy/required-pcrs.ts'
import type { Provider } from '../providers/providers.ts'
import type { DecisionEntry } from '../store/decision-entry.ts'
import type { Decisions } from '../store/decisions.ts'
import { earClaims } from './ear.ts'
import { defaultLifeSeconds, type TokenIssuer } from './token.ts'

/** Azure Attestation's claims, or those of draft-ietf-rats-ear. */
export type TokenForm = 'maa' | 'ear'

/** From verified evidence to a token: compliance, policy, claims, signature, record. */
export class Attester {
  readonly #policies: Policies
  readonly #tokens: TokenIssuer
  readonly #decisions: Decisions

  constructor(o: { policies: Policies; tokens: TokenIssuer; decisions: Decisions }) {
    this.#policies = o.policies
    this.#tokens = o.tokens
    this.#decisions = o.decisions
  }

  /**
   * @throws ServiceError PolicyEvaluationError if the policy does not permit the evidence; PolicyParsingError for an
   * invalid
   *   draft
   */
  async attest(o: {
    provider: Provider
    evidence: AttestedEvidence
    /** The caller's address. */
    caller: string
    nonce?: string
    draftPolicy?: string
    /** `ear`: as an EAT attestation result. */
    form?: TokenForm
  }): Promise<string> {
    const { provider, evidence, draftPolicy } = o
    const policy =
      draftPolicy === undefined ? await this.#policies.load(provider, evidence.type) : this.#policies.parse(draftPolicy)
    const facts = serviceClaims(evidence)
    const record = {
      provider: provider.host,
      type: evidence.type,
      evidence_digest: evidence.digest,
      policy_hash: policy.hash,
      simulated: evidence.simulated ? 1 : 0,
      caller: o.caller,
    }
    const findings = (failedRules: FailedRule[]): string =>
      JSON.stringify({ failedRules, shortcomings: evidence.shortcomings, advisories: advisoriesOf(evidence) })
    const kept = (claims: DecidedClaims): DecisionEntry['bundle'] => ({
      content: { policy: { text: policy.text, hash: policy.hash }, ...claims },
      evidence: evidence.record,
    })
    let outcome: PolicyOutcome
    try {
      outcome = decide(policy, evidence, facts)
    } catch (error) {
      if (draftPolicy === undefined && error instanceof ServiceError) {
        const { code, message, target, expected, found } = error
        const denied = { outcome: 'Denied', code, message, token_id: null } as const
        const policyClaims = { ...facts, ...evidence.policyClaims }
        const rule: FailedRule = { rule: target ?? '', expected: expected ?? '', found: found ?? '' }
        await this.#decisions.record({ ...record, ...denied, findings: findings([rule]) }, kept({ policyClaims }))
      }
      throw error
    }
    const issuedByPolicy = issuedClaims(outcome.issued)
    const claims =
      o.form === 'ear'
        ? earClaims({
            evidence,
            policyHash: policy.hash,
            issued: issuedByPolicy,
            issuer: provider.issuer,
            nonce: o.nonce,
          })
        : {
            ...issuedByPolicy,
            ...facts,
            ...(o.nonce === undefined ? {} : { nonce: o.nonce }),
            'x-ms-policy-hash': policy.hash,
            ...(policy.signer === undefined ? {} : { 'x-ms-policy-signer': policy.signer }),
          }
    // A draft may permit anything, so its result is unsigned and decides nothing.
    if (draftPolicy !== undefined) return this.#tokens.unsigned(provider, claims).token
    const issued = await this.#tokens.sign(provider, claims, lifeSeconds(outcome), outcome.properties.get('omit_x5c'))
    const permitted = { outcome: 'Permitted', code: null, message: null, token_id: issued.id } as const
    await this.#decisions.record({ ...record, ...permitted, findings: findings([]) }, kept({ claims }))
    return issued.token
  }
}

interface FailedRule {
  /** Text of the rule, or the segment in which no rule permitted. */
  rule: string
  expected: string
  found: string
}

/** AMD's and Intel's security advisories that apply to the platform; for a guest, to its hardware. */
function advisoriesOf({ claims, isolation }: AttestedEvidence): string[] {
  const found = (isolation?.claims ?? claims)['attester_advisory_ids']
  return Array.isArray(found) ? (found as string[]) : []
}

function decide(policy: LoadedPolicy, evidence: AttestedEvidence, facts: Record<string, unknown>): PolicyOutcome {
  let outcome: PolicyOutcome
  try {
    outcome = evaluatePolicy(policy.syntax, incomingClaims({ ...facts, ...evidence.policyClaims }, policy))
  } catch (error) {
    throw policyFailure(error)
  }
  if (outcome.denial !== undefined) throw policyDenial(outcome.denial, policy.hash, evidence.shortcomings)
  requireQuotedPcrs(outcome.properties, evidence.policyClaims)
  for (const { claim, within, message } of evidence.byNameOnly) {
    if (looksAt(policy.syntax, { claim, within })) continue
    const place = within === undefined ? '' : ` in a query of ${within}`
    throw policyDenial(
      {
        reason: 'noPermit',
        expected: `a policy whose authorization rules name ${claim}${place}`,
        found: `${message}, and no authorization rule asks for it`,
      },
      policy.hash,
      evidence.shortcomings,
    )
  }
  return outcome
}

function lifeSeconds(outcome: PolicyOutcome): number {
  const minutes = outcome.properties.get('report_validity_in_minutes')
  return typeof minutes === 'number' ? minutes * 60 : defaultLifeSeconds
}
