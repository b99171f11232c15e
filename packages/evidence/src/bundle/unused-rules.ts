import { parseHclReport } from '../azure/hcl-report.ts'
import { type Check, skipped } from '../checks/check.ts'
import { cannotApply } from './unanswered.ts'
import { baseline, type EvidencePolicy } from './evidence-policy.ts'
import type { Piece, PieceKind } from './pieces/piece.ts'
import { attempt } from './pieces/pool.ts'
import { isQuote } from './tpm-quotes.ts'

interface Rule {
  /** Whether the policy has this part. */
  asked: boolean
  /** Members of the policy, as the policy's author writes them. */
  members: readonly string[]
  /** The policy's part, for display. */
  name: string
  /** True if some of the evidence was compared with it. */
  met: boolean
  needed: string
  /** Evidence at hand to which the members cannot apply, and beside which nothing else would help. */
  wrong: readonly PieceKind[]
}

const hardware = ['snp-report', 'tdx-quote', 'td-report', 'nitro-document', 'cca-token'] as const
/** Statements that answer a challenge or show registers, but not those of a TPM. */
const documents = ['nitro-document', 'cca-token', 'svsm-manifest'] as const

/**
 * Parts of a policy that nothing here was compared with: a policy that requires a measurement must not be met by a
 * token because the report was left out. A policy may cover several kinds of hardware and be met by one. Where what the
 * members apply to is absent, there is no verdict; evidence to which they cannot apply is refused.
 */
export function unusedRules(policy: EvidencePolicy, pieces: readonly Piece[]): Check[] {
  return rulesOf(policy, pieces)
    .filter(({ asked, met }) => asked && !met)
    .map((rule) => {
      const found = pieces.filter(({ kind }) => rule.wrong.includes(kind)).map(({ kind }) => kind)
      return found.length === 0 ? notApplied(rule) : notApplicable(rule, found)
    })
}

function notApplied({ name, needed }: Rule): Check {
  return skipped('policy.used', `The policy’s part ${name} was not applied: it needs ${needed}`)
}

function notApplicable({ members, needed }: Rule, found: readonly PieceKind[]): Check {
  return cannotApply(members.join(', '), needed, [...new Set(found)].join(', '))
}

function rulesOf(policy: EvidencePolicy, pieces: readonly Piece[]): Rule[] {
  const has = (...kinds: PieceKind[]): boolean => pieces.some(({ kind }) => kinds.includes(kind))
  const logged = has('event-log') || pieces.some((piece) => piece.kind === 'tpm-quote' && piece.eventLog !== undefined)
  const [quoted, signed] = [pieces.some(isQuote), has('tpm-quote', 'tpm-attest')]
  const { tpm } = policy
  const asked = (part: keyof EvidencePolicy): string[] => (policy[part] === undefined ? [] : [part])
  const ofTpm = (member: keyof NonNullable<EvidencePolicy['tpm']>): string[] =>
    tpm?.[member] === undefined ? [] : [`tpm.${member}`]
  const rule = (members: string[], met: boolean, needed: string, wrong: readonly PieceKind[] = []): Rule => ({
    asked: members.length > 0,
    members,
    name: members.join(' and '),
    met,
    needed,
    wrong,
  })
  return [
    hardwareRule(policy, pieces),
    rule(asked('hcl'), has('hcl-report', 'runtime-claims'), 'a paravisor’s report or claims'),
    rule(asked('boot'), logged, 'an event log'),
    rule(ofTpm('nonce'), quoted || has(...documents), 'a quote of a TPM, or a document, that answers the challenge'),
    rule(ofTpm('pcrs'), quoted || has('nitro-document'), 'a quote of a TPM', documents),
    rule(ofTpm('roots'), signed, 'a statement of a TPM by a certified key', documents),
    rule(asked('keys'), signed || has('cca-token'), 'a statement of a TPM or of a CCA platform'),
    rule(asked('token'), has('token'), 'a token'),
    rule(asked('release'), has('release'), 'a vault’s release'),
  ]
}

const technologies = ['snp', 'tdx', 'cca'] as const

function hardwareRule(policy: EvidencePolicy, pieces: readonly Piece[]): Rule {
  const has = (...kinds: PieceKind[]): boolean => pieces.some(({ kind }) => kinds.includes(kind))
  const paravisor = (type: 'SNP' | 'TDX'): boolean =>
    pieces.some((each) => each.kind === 'hcl-report' && attempt(() => parseHclReport(each.bytes))?.reportType === type)
  const present = {
    snp: has('snp-report') || paravisor('SNP'),
    tdx: has('tdx-quote', 'td-report') || paravisor('TDX'),
    cca: has('cca-token'),
  }
  const asked = technologies.filter((each) => policy[each] !== undefined)
  const members = asked.flatMap((each) => demandsOf(each, policy))
  // An unreadable paravisor's report is refused for that.
  const others = paravisor('SNP') || paravisor('TDX') ? [...hardware, 'hcl-report' as const] : hardware
  return {
    asked: asked.length > 0,
    members,
    name: asked.join(' and '),
    met: asked.some((each) => present[each]),
    needed: asked.includes('cca') && asked.length === 1 ? 'a token of a CCA realm' : 'a hardware report or quote',
    wrong: members.length === 0 ? [] : others,
  }
}

/** Members that only permit: without them, less is accepted. */
const permissions: ReadonlySet<string> = new Set([
  'snp.allow',
  ...['tcbStatuses', 'acceptedAdvisoryIds', 'debugAllowed', 'migratableAllowed'].map((name) => `tdx.${name}`),
  ...['pksAllowed', 'keyLockerAllowed', 'perfmonAllowed'].map((name) => `tdx.${name}`),
])

/** Members that demand something: `any`, permissions and what holds without a policy demand nothing. */
function demandsOf(part: (typeof technologies)[number], policy: EvidencePolicy): string[] {
  const usual: Readonly<Record<string, unknown>> = part === 'snp' ? { ...baseline.snp } : {}
  return Object.entries(policy[part] ?? {})
    .filter(([name, value]) => value !== 'any' && usual[name] !== value && !permissions.has(`${part}.${name}`))
    .map(([name]) => `${part}.${name}`)
}
