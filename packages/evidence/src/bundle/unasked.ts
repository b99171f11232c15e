import { parseHclReport } from '../azure/hcl-report.ts'
import type { EvidencePolicy } from './evidence-policy.ts'
import type { Piece } from './pieces/piece.ts'
import { attempt } from './pieces/pool.ts'
import { isQuote } from './tpm-quotes.ts'

/**
 * Reference values that were not given, one line each. Evidence accepted without them is genuine, but may be of another
 * guest, another time or an outdated platform.
 */
export function unasked(policy: EvidencePolicy, pieces: readonly Piece[]): string[] {
  const { snp, tdx, tpm, token } = policy
  const types = pieces.map((piece) => hardwareOf(piece))
  const has = (...kinds: (typeof types)[number][]): boolean => types.some((type) => kinds.includes(type))
  const quoted = pieces.some(isQuote)
  const lines: [wanted: boolean, line: string][] = [
    [
      has('snp', 'snp-hcl') && (snp === undefined || snp.measurements === 'any'),
      'launch measurement (snp.measurements): the guest may run any firmware',
    ],
    [
      has('snp') && (snp === undefined || snp.reportData === 'any'),
      'report data (snp.reportData): the report may be old, or made for somebody else',
    ],
    [has('snp', 'snp-hcl') && snp?.tcb === undefined, 'lowest TCB (snp.tcb): the platform may lack known fixes'],
    [has('tdx', 'tdx-hcl') && tdx?.mrTds === undefined, 'MRTD (tdx.mrTds): the TD may run any firmware'],
    [
      has('tdx') && tdx?.rtmrs === undefined && policy.boot === undefined,
      'RTMRs (tdx.rtmrs) or boot rules (boot): the TD may have booted anything',
    ],
    [
      has('tdx') && tdx?.reportData === undefined,
      'report data (tdx.reportData): the quote may be old, or made for somebody else',
    ],
    [quoted && tpm?.nonce === undefined, 'challenge (--nonce, tpm.nonce): the quote of the TPM may be old'],
    [
      quoted && tpm?.pcrs === undefined && policy.boot === undefined,
      'registers (tpm.pcrs) or boot rules (boot): the guest may have booted anything',
    ],
    [
      pieces.some(({ kind }) => kind === 'nitro-document' || kind === 'cca-token') && tpm?.nonce === undefined,
      'challenge (--nonce, tpm.nonce): the document may be old',
    ],
    [lacksRealm(policy, pieces), 'realm measurement (cca.initialMeasurements): the realm may run anything'],
    [
      pieces.some(({ kind }) => kind === 'nitro-document') && tpm?.pcrs === undefined,
      'registers (tpm.pcrs): the enclave may run anything',
    ],
    [has('token') && knowsNoIssuer(policy), 'issuer (token.issuer): whoever has a given key is believed'],
    [has('token') && token?.claims === undefined, 'claims (token.claims): the token may say anything of the machine'],
  ]
  return lines.filter(([wanted]) => wanted).map(([, line]) => line)
}

function hardwareOf(piece: Piece): 'snp' | 'snp-hcl' | 'tdx' | 'tdx-hcl' | 'token' | undefined {
  if (piece.kind === 'snp-report') return 'snp'
  if (piece.kind === 'tdx-quote' || piece.kind === 'td-report') return 'tdx'
  if (piece.kind === 'token') return 'token'
  if (piece.kind !== 'hcl-report') return undefined
  // A paravisor's report binds its claims.
  const type = attempt(() => parseHclReport(piece.bytes))?.reportType
  return type === 'SNP' ? 'snp-hcl' : type === 'TDX' ? 'tdx-hcl' : undefined
}

const knowsNoIssuer = ({ token: { issuer, keys, roots } = {} }: EvidencePolicy): boolean =>
  issuer === undefined && keys === undefined && roots === undefined

function lacksRealm({ cca }: EvidencePolicy, pieces: readonly Piece[]): boolean {
  return pieces.some(({ kind }) => kind === 'cca-token') && cca?.initialMeasurements === undefined
}
