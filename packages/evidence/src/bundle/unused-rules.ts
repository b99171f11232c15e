import { parseHclReport } from '../azure/hcl-report.ts'
import { type Check, skipped } from '../checks/check.ts'
import type { EvidencePolicy } from './evidence-policy.ts'
import type { Piece, PieceKind } from './piece.ts'
import { attempt } from './pool.ts'
import { isQuote } from './tpm-quotes.ts'

/**
 * Parts of a policy that nothing here was compared with: a policy that requires a measurement must not be met by a
 * token because the report was left out. A policy may cover both kinds of hardware and be met by one.
 */
export function unusedRules(policy: EvidencePolicy, pieces: readonly Piece[]): Check[] {
  const has = (...kinds: PieceKind[]): boolean => pieces.some(({ kind }) => kinds.includes(kind))
  const paravisor = (type: 'SNP' | 'TDX'): boolean =>
    pieces.some((each) => each.kind === 'hcl-report' && attempt(() => parseHclReport(each.bytes))?.reportType === type)
  const logged = has('event-log') || pieces.some((piece) => piece.kind === 'tpm-quote' && piece.eventLog !== undefined)
  const quoted = pieces.some(isQuote)
  const rules: [asked: boolean, met: boolean, name: string, needed: string][] = [
    [
      policy.snp !== undefined || policy.tdx !== undefined,
      (policy.snp !== undefined && (has('snp-report') || paravisor('SNP'))) ||
        (policy.tdx !== undefined && (has('tdx-quote', 'td-report') || paravisor('TDX'))),
      policy.tdx === undefined ? 'snp' : policy.snp === undefined ? 'tdx' : 'snp and tdx',
      'a hardware report or quote',
    ],
    [policy.hcl !== undefined, has('hcl-report', 'runtime-claims'), 'hcl', 'a paravisor’s report or claims'],
    [policy.boot !== undefined, logged, 'boot', 'an event log'],
    [
      policy.tpm?.nonce !== undefined,
      quoted || has('nitro-document', 'cca-token', 'svsm-manifest'),
      'tpm.nonce',
      'a quote of a TPM, or a document, that answers the challenge',
    ],
    [policy.tpm?.pcrs !== undefined, quoted || has('nitro-document'), 'tpm.pcrs', 'a quote of a TPM'],
    [policy.token !== undefined, has('token'), 'token', 'a token'],
  ]
  return rules
    .filter(([asked, met]) => asked && !met)
    .map(([, , name, needed]) =>
      skipped('policy.used', `The policy’s part ${name} was not applied: it needs ${needed}`),
    )
}
