import type { TdxCollateral } from '@strongroom/evidence'
import { anchors, type SnpCase, type TdxCase } from './corpus.ts'
import type { GoJudge, JudgeAnswer } from './go-judge.ts'
import { mutate, mutateText } from './mutate.ts'

const pins = anchors.amd.map((anchor) => anchor.spkiSha256)

/** The library's verdict over the same bytes. */
export const goSnp = (judge: GoJudge, c: SnpCase): Promise<JudgeAnswer> =>
  judge.ask({
    kind: 'snp',
    report: c.report,
    leaf: c.chain.vcek,
    vlek: c.vlek,
    ask: c.chain.ask,
    ark: c.chain.ark,
    at: c.at,
    pins,
  })

export function goTdx(judge: GoJudge, c: TdxCase): Promise<JudgeAnswer> {
  const k = c.collateral as TdxCollateral
  return judge.ask({
    kind: 'tdx',
    quote: c.quote,
    at: c.at,
    tcbInfo: k.tcbInfo,
    tcbInfoChain: k.tcbInfoIssuerChainPem,
    qeIdentity: k.qeIdentity,
    qeIdentityChain: k.qeIdentityIssuerChainPem,
    pckCrl: k.pckCrl,
    pckCrlChain: k.pckCrlIssuerChainPem,
    rootCrl: k.rootCaCrl,
  })
}

/** A case with one part changed; about one in eight also has its parts judged at another time. */
export function mutatedSnp(base: SnpCase, other: SnpCase, pick: (below: number) => number): SnpCase {
  const at = pick(8) === 0 ? new Date(base.at.getTime() + (pick(20) - 8) * 365 * 86_400_000) : base.at
  const part = pick(8)
  if (part < 5) return { ...base, at, report: mutate(base.report, pick, other.report) }
  const name = (['vcek', 'ask', 'ark'] as const)[part - 5] ?? 'vcek'
  return { ...base, at, chain: { ...base.chain, [name]: mutate(base.chain[name], pick, other.chain[name]) } }
}

/** Like `mutatedSnp`, for a quote and its collateral. */
export function mutatedTdx(base: TdxCase, other: TdxCase, pick: (below: number) => number): TdxCase {
  const k = base.collateral as TdxCollateral
  const o = other.collateral as TdxCollateral
  const at = pick(8) === 0 ? new Date(base.at.getTime() + (pick(240) - 120) * 86_400_000) : base.at
  const part = pick(12)
  if (part < 6) return { ...base, at, quote: mutate(base.quote, pick, other.quote) }
  const name = (
    ['tcbInfo', 'qeIdentity', 'pckCrl', 'rootCaCrl', 'tcbInfoIssuerChainPem', 'qeIdentityIssuerChainPem'] as const
  )[part - 6] as 'tcbInfo'
  const [mine, theirs] = [k[name] as string | Uint8Array, o[name] as string | Uint8Array]
  const changed =
    typeof mine === 'string' ? mutateText(mine, pick, theirs as string) : mutate(mine, pick, theirs as Uint8Array)
  return { ...base, at, collateral: { ...k, [name]: changed as string } }
}
