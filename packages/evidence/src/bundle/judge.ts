import type { AzureParts } from '../checks/check-azure.ts'
import { checkAzure, checkRuntimeClaims, checkTdReport } from '../checks/check-azure.ts'
import type { HclPolicy } from '../checks/check-hcl.ts'
import { checkTpmCreation } from '../checks/check-creation.ts'
import { checkImageMeasurements } from '../checks/check-image.ts'
import { checkEventLog } from '../checks/check-log.ts'
import { checkCca } from '../checks/check-cca.ts'
import { checkNitro } from '../checks/check-nitro.ts'
import { checkSvsm } from '../checks/check-svsm.ts'
import { sameKey } from '../azure/runtime-claims.ts'
import { bundleOf, claimsOf, type TokenBundle } from '../tokens/bundle.ts'
import { algorithmsOfToken } from '../tokens/issuers.ts'
import type { PublicKey } from '../x509/public-key.ts'
import { checkSnp } from '../checks/check-snp.ts'
import { checkTdx } from '../checks/check-tdx.ts'
import { checkKeyRelease, checkToken } from '../checks/check-token.ts'
import { checkTpmQuote } from '../checks/check-tpm.ts'
import { allOf, type Check, failed, firstFailure, keyNotEndorsed, skipped } from '../checks/check.ts'
import { type Verdict, verdictOf } from '../checks/verdict.ts'
import { ParseError } from '../core/errors.ts'
import type { TrustAnchors } from '../x509/trust-anchors.ts'
import { parseSnpReport } from '../snp/report.ts'
import type { OpenAdvisory } from '../snp/platform.ts'
import { advisoriesNotShown, openAdvisories } from '../snp/tcb-minimum.ts'
import { parseTdxQuote } from '../tdx/quote.ts'
import { genuineVaultAnchors, vaultSigner } from '../tokens/release.ts'
import { parseHclReport } from '../azure/hcl-report.ts'
import { parseCertificate } from '../x509/certificate.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { keyIn, platformKeys, tdReportIn, type TokenKeys, tokenKeys } from './attestation-keys.ts'
import { baseline, type EvidencePolicy } from './evidence-policy.ts'
import { isStatement } from './pieces/ledger.ts'
import { leftovers } from './leftovers.ts'
import { placeLogs, recordLogs } from './logs.ts'
import { judgeMaterials } from './materials.ts'
import { namesKey } from '../tpm/named-keys.ts'
import { excessOf, named, type Piece, type PieceKind, type PieceOf, type Unused } from './pieces/piece.ts'
import { attempt, Pool } from './pieces/pool.ts'
import { quoteOf, siblingOf } from './td-quotes.ts'
import { creationOf, isCreation, type JudgedQuote, publicOf, tpmQuotes, uncertified } from './tpm-quotes.ts'
import { platformsIn, type Said, whatIsSaid } from './said.ts'
import { withoutLog, withoutQuote } from './unanswered.ts'
import { unasked } from './unasked.ts'
import { unusedRules } from './unused-rules.ts'
import { whatIsUnused } from './unused/unused.ts'

export interface Judgement {
  check: Check
  verdict: Verdict
  /** Code of the first failed check, or `KeyNotEndorsed`, for programs. */
  code?: string
  /** What the evidence states about its machine: only as trustworthy as the verdict. */
  says: Said[]
  /** Reference values that were not given, so nothing was compared with them. */
  unasked: string[]
  /** What the verdict does not depend on: nothing reads it, or nothing vouches for it. */
  unused: Unused[]
  /** What AMD's advisory table says about the platforms. */
  advisories: JudgedAdvisory[]
}

/** An advisory whose fix a platform lacks, or whose fix its report cannot show. */
export interface JudgedAdvisory extends OpenAdvisory {
  /** File, and place in it. */
  of: string
}

interface JudgeInput extends VerifyContext {
  pieces: readonly Piece[]
  /** Certificates, lists and texts to choose from; not all have to be used. */
  library?: readonly Piece[] | undefined
  anchors: TrustAnchors
  at: Date
  policy?: EvidencePolicy
  /** An installation's CA, which endorses its guests' attestation keys and its vault's releases. It demands nothing. */
  authority?: EvidencePolicy['release']
  /** Reports that time is up. Called before each statement is judged, because this package has no clock. */
  expired?: (() => boolean) | undefined
}

class OutOfTime extends Error {}

/**
 * Verifies all pieces together; chains, collateral, keys and registers are looked up among them. Azure's parts are verified as one
 * bundle. Certificates, lists and Intel's texts are verified on their own only if there is no other evidence.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineAmdAnchors } from '@strongroom/evidence'
 * import { detect, judge } from '@strongroom/evidence/files'
 *
 * const names = ['report.bin', 'vcek.der', 'cert_chain.pem']
 * const files = await Promise.all(names.map(async (name) => detect(name, await readFile(name))))
 * const o = { anchors: { simulated: false, amd: [...genuineAmdAnchors], intel: [] }, at: new Date('2024-01-01') }
 * const whole = await judge({ ...o, pieces: files.flat() })
 * whole.verdict // => 'accepted'
 * const alone = await judge({ ...o, pieces: files[0] ?? [] })
 * alone.verdict // => 'unjudged'
 */
export async function judge(o: JudgeInput): Promise<Judgement> {
  const anchors = [...o.anchors.amd, ...o.anchors.intel]
  const excess = excessOf(o.pieces)
  const pieces = excess === undefined ? o.pieces : []
  const pool = await Pool.of([...pieces, ...(o.library ?? [])], o.at, anchors, o)
  const check = allOf('evidence', excess === undefined ? await judgeWithin(o, pool) : [excess])
  const verdict = verdictOf(check, o.pieces.some(isStatement))
  const code = verdict === 'unendorsed' ? keyNotEndorsed : firstFailure(check)?.code
  const says = whatIsSaid(pieces, pool)
  const asked = unasked(o.policy ?? {}, pieces)
  const advisories = platformsIn(pieces, pool).flatMap(({ of, platform }) =>
    [...openAdvisories(platform), ...advisoriesNotShown(platform)].map((each) => ({ of, ...each })),
  )
  const unused = await whatIsUnused(pieces, pool.ledger)
  return { check, verdict, ...(code === undefined ? {} : { code }), says, unasked: asked, unused, advisories }
}

async function judgeWithin(o: JudgeInput, pool: Pool): Promise<Check[]> {
  try {
    return await new Judge(o, pool).judge()
  } catch (error) {
    if (!(error instanceof OutOfTime)) throw error
    return [skipped('file.kind', 'Time is up: verify fewer or smaller files at once')]
  }
}

class Judge {
  readonly #pieces: readonly Piece[]
  readonly #anchors: TrustAnchors
  readonly #at: Date
  readonly #policy: EvidencePolicy
  readonly #authority: EvidencePolicy['release']
  readonly #pool: Pool
  readonly #context: VerifyContext
  readonly #expired: () => boolean

  constructor(o: JudgeInput, pool: Pool) {
    this.#context = { primitives: o.primitives, cache: o.cache }
    this.#expired = o.expired ?? (() => false)
    this.#pieces = o.pieces
    this.#anchors = o.anchors
    this.#at = o.at
    this.#policy = o.policy ?? {}
    this.#authority = o.authority
    this.#pool = pool
  }

  async judge(): Promise<Check[]> {
    const unreadable = [...this.#of('unreadable'), ...this.#of('unknown')].map(unreadableCheck)
    if (!this.#pieces.some(isStatement)) return [...unreadable, ...(await this.#materials()), ...(await this.#images())]
    const context = { pool: this.#pool, ledger: this.#pool.ledger, policy: this.#policy, at: this.#at }
    const signed = await tpmQuotes({ of: (kind) => this.#of(kind), ...context, authority: this.#authority })
    const quotes = signed.filter(({ quote }) => !isCreation(quote.message))
    const creations = signed.filter(({ quote }) => isCreation(quote.message))
    const azure = this.#of('hcl-report')
    const tdQuotes = this.#of('tdx-quote')
    // A log beside such a statement belongs to no quote.
    const beside = creations.flatMap(({ piece: { name }, quote: { eventLog: bytes } }): PieceOf<'event-log'>[] =>
      bytes === undefined ? [] : [{ name, kind: 'event-log', bytes }],
    )
    const logs = await placeLogs({ logs: [...this.#of('event-log'), ...beside], tpm: quotes, td: tdQuotes })
    recordLogs(this.#pool.ledger, quotes, logs.ofTds)
    const checks: Check[] = []
    const siblings = new Set<Uint8Array>()
    for (const hcl of this.#each('hcl-report')) {
      const key = keyIn(hcl)
      const own = azure.length === 1 ? quotes : quotes.filter(({ owner }) => owner && key && sameKey(owner, key))
      if (own.length === 0) checks.push(...withoutQuote(hcl, this.#policy))
      const report = tdReportIn(hcl)
      const sibling =
        report === undefined
          ? undefined
          : siblingOf(hcl, { tdReport: report, quotes: this.#of('tdx-quote'), claims: this.#of('runtime-claims')[0] })
      if (sibling !== undefined) siblings.add(sibling.quote)
      const quote = report === undefined || sibling !== undefined ? undefined : quoteOf(report, tdQuotes)
      if (quote !== undefined) tdQuotes.splice(tdQuotes.indexOf(quote), 1)
      const { check } = await checkAzure({ ...this.#azureParts(hcl, quote, own), tdSibling: sibling })
      checks.push(named(hcl, check))
    }
    const loose =
      azure.length > 1 ? quotes.filter(({ owner }) => owner === undefined) : azure.length === 0 ? quotes : []
    for (const { quote, piece } of loose) checks.push(named(piece, (await checkTpmQuote(quote)).check))
    for (const creation of creations) {
      const parts = creationOf(creation, (kind) => this.#of(kind))
      this.#pool.ledger.use(...parts.objects)
      const check = await checkTpmCreation(parts)
      checks.push(named(creation.piece, check))
    }
    for (const report of this.#each('snp-report')) checks.push(named(report, await this.#snp(report.bytes)))
    // A single TD may have been given with the log of its vTPM; with several, the TPM's owner is unknown.
    const logged = tdQuotes.length === 1 && loose.length > 0
    for (const quote of tdQuotes) {
      if (this.#expired()) throw new OutOfTime()
      checks.push(named(quote, await this.#tdx(quote)))
      if (!logged && !logs.ofTds.has(quote) && !siblings.has(quote.bytes))
        checks.push(...withoutLog(quote, this.#policy))
    }
    for (const [quote, own] of logs.ofTds) {
      const rtmrs = attempt(() => parseTdxQuote(quote.bytes))?.body.rtmrs
      for (const log of own) checks.push(named(log, await this.#log(log, rtmrs)))
    }
    for (const log of logs.unbound) checks.push(named(log, await this.#log(log, undefined)))
    for (const report of this.#each('td-report')) {
      const quote = quoteOf(report.bytes, this.#of('tdx-quote'))
      const { check } = await checkTdReport({ report: report.bytes, quote: quote?.bytes })
      checks.push(named(report, check))
    }
    const attestationKeys = azure.map(keyIn).filter((key) => key !== undefined)
    const reportData = this.#reportData()
    for (const piece of this.#each('runtime-claims')) {
      const policy = this.#claimsPolicy(siblings.size > 0 || azure.length === 0)
      const { check } = await checkRuntimeClaims({ claims: piece.bytes, reportData, attestationKeys, ...policy })
      checks.push(named(piece, check))
    }
    checks.push(...(await this.#foreign()))
    const keys = tokenKeys({ of: (kind) => this.#of(kind), pool: this.#pool, policy: this.#policy })
    const bundle = await bundleOf(this.#of('token').map(({ text }) => text))
    for (const token of this.#each('token')) {
      checks.push(named(token, await this.#token(token.text, { keys, reportData, bundle })))
    }
    checks.push(...(await this.#images()))
    for (const release of this.#each('release')) checks.push(named(release, await this.#release(release.text)))
    const holds = allOf('evidence', checks).outcome === 'passed'
    const left = await leftovers({ pieces: this.#pieces, pool: this.#pool, attestationKeys, holds })
    const unused = [...uncertified(signed, this.#policy), ...unusedRules(this.#policy, this.#pieces)]
    return [...checks, ...left, ...unused, ...unreadable]
  }

  async #materials(): Promise<Check[]> {
    return judgeMaterials({ pieces: this.#pieces, pool: this.#pool, policy: this.#policy, ...this.#common() })
  }

  async #images(): Promise<Check[]> {
    const checks: Check[] = []
    for (const piece of this.#each('image-measurements')) {
      checks.push(named(piece, await checkImageMeasurements({ jws: piece.text, keys: this.#anchors.images })))
    }
    return checks
  }

  /** Pieces of this kind, one after the other while time remains. */
  *#each<K extends PieceKind>(kind: K): Generator<PieceOf<K>> {
    for (const piece of this.#of(kind)) {
      if (this.#expired()) throw new OutOfTime()
      yield piece
    }
  }

  #of<K extends PieceKind>(kind: K): PieceOf<K>[] {
    return this.#pieces.filter((piece): piece is PieceOf<K> => piece.kind === kind)
  }

  async #snp(report: Uint8Array): Promise<Check> {
    const policy = this.#policy.snp ?? baseline.snp
    return (await checkSnp({ report, ...this.#snpParts(report), ...this.#common(), policy })).check
  }

  #common(): VerifyContext & { anchors: TrustAnchors; at: Date } {
    return { anchors: this.#anchors, at: this.#at, ...this.#context }
  }

  /**
   * Requirements on claims beside a report. User data are in the claims of the paravisor's report, which hardware
   * signs; if that report was never quoted or is absent, only quoted claims count.
   */
  #claimsPolicy(alone: boolean): { policy?: HclPolicy } {
    const { hcl } = this.#policy
    if (hcl === undefined) return {}
    if (alone) return { policy: hcl }
    return { policy: { configuration: hcl.configuration } }
  }

  #snpParts(report: Uint8Array): Pick<AzureParts, 'chain' | 'crl' | 'withoutChain'> {
    const chain = this.#pool.snpChain(report)
    if (chain === undefined) return { withoutChain: this.#pool.withoutSnpChain(report) }
    const crl = this.#pool.crlOf(attempt(() => parseCertificate(chain.ark)))
    return { chain, crl }
  }

  #tdxParts(quote: Uint8Array): Pick<AzureParts, 'collateral' | 'pckChain' | 'files'> {
    const collateral = this.#pool.tdxCollateral(quote)
    return { collateral, pckChain: this.#pool.pckChain(quote), files: this.#pool.filesOf(collateral) }
  }

  async #tdx({ bytes: quote }: PieceOf<'tdx-quote'>): Promise<Check> {
    const policy = this.#policy.tdx ?? baseline.tdx
    return (await checkTdx({ quote, ...this.#tdxParts(quote), ...this.#common(), policy })).check
  }

  async #log(log: PieceOf<'event-log'>, rtmrs: readonly Uint8Array[] | undefined): Promise<Check> {
    return (await checkEventLog({ log: log.bytes, rtmrs, policy: this.#policy.boot, mustReplay: true })).check
  }

  /** Report data of every hardware report, read without judging: what is bound to a report holds only if the report does. */
  #reportData(): Uint8Array[] {
    const read = (pieces: readonly { bytes: Uint8Array }[], data: (bytes: Uint8Array) => Uint8Array): Uint8Array[] =>
      pieces.map(({ bytes }) => attempt(() => data(bytes))).filter((found) => found !== undefined)
    return [
      ...read(this.#of('snp-report'), (bytes) => parseSnpReport(bytes).reportData),
      ...read(this.#of('hcl-report'), (bytes) => parseHclReport(bytes).reportData),
      ...read(this.#of('tdx-quote'), (bytes) => parseTdxQuote(bytes).body.reportData),
    ]
  }

  #azureParts(
    hcl: PieceOf<'hcl-report'>,
    tdQuote: PieceOf<'tdx-quote'> | undefined,
    quotes: JudgedQuote[],
  ): AzureParts {
    const report = attempt(() => parseHclReport(hcl.bytes))
    const akPublic = publicOf(hcl, (kind) => this.#of(kind))
    this.#pool.ledger.apply(akPublic)
    const { hcl: hclPolicy, snp, tdx } = this.#policy
    return {
      hclReport: hcl.bytes,
      ...this.#common(),
      ...(report?.reportType === 'SNP' ? this.#snpParts(report.hardwareReport) : {}),
      ...(tdQuote === undefined ? {} : { tdQuote: tdQuote.bytes, ...this.#tdxParts(tdQuote.bytes) }),
      akPublic,
      quotes: quotes.map(({ quote }) => quote),
      // A paravisor runs at level 0: from any other level, this is a guest's report that claims to be the paravisor's.
      snpPolicy: { ...(snp ?? baseline.snp), vmpls: (snp?.vmpls ?? [0]).filter((level) => level === 0) },
      tdxPolicy: tdx ?? baseline.tdx,
      hclPolicy,
    }
  }

  async #token(
    token: string,
    { keys, ...beside }: { keys: TokenKeys; reportData: readonly Uint8Array[]; bundle: TokenBundle },
  ): Promise<Check> {
    const rules = this.#policy.token ?? {}
    const { check } = await checkToken({
      token,
      issuer: rules.issuer ?? 'any',
      at: this.#at,
      ...beside,
      keys: keys.of(token),
      pins: keys.pins,
      maximumAge: rules.maximumAge,
      kind: rules.kind,
      audience: rules.audience,
      algorithms: rules.algorithms ?? algorithmsOfToken(claimsOf(token)),
      claims: rules.claims,
    })
    return check
  }

  /** Statements of other makers' machines: AWS's, Arm's, and the services of an SVSM under AMD's report. */
  async #foreign(): Promise<Check[]> {
    const checks: Check[] = []
    const { nonce, pcrs } = this.#policy.tpm ?? {}
    const { at, primitives, cache } = this.#common()
    for (const piece of this.#each('nitro-document')) {
      const o = { document: piece.bytes, anchors: this.#anchors.aws ?? [], at, nonce, pcrs, primitives, cache }
      checks.push(named(piece, await checkNitro(o)))
    }
    const given = await platformKeys((kind) => this.#of(kind))
    const keys = given.map(({ key }) => key)
    for (const piece of this.#each('cca-token')) {
      const isEndorsed = async ({ spki }: PublicKey): Promise<boolean> => namesKey(this.#policy.keys ?? [], spki)
      const policy = this.#policy.cca
      const { check, key } = await checkCca({ token: piece.bytes, keys, isEndorsed, nonce, policy, primitives, cache })
      this.#pool.ledger.use(given.find((each) => each.key === key)?.used)
      checks.push(named(piece, check))
    }
    const reports = this.#of('snp-report').flatMap(({ bytes }) => attempt(() => parseSnpReport(bytes)) ?? [])
    for (const piece of this.#each('svsm-manifest')) {
      checks.push(named(piece, await checkSvsm({ manifest: piece.bytes, nonce, reports })))
    }
    return checks
  }

  async #release(jws: string): Promise<Check> {
    const own = this.#policy.release ?? this.#authority
    const rules = own ?? { roots: genuineVaultAnchors, signer: vaultSigner }
    if (own === undefined && this.#anchors.simulated) {
      return skipped('release.signer', 'The roots of this installation’s vault were not given')
    }
    return (await checkKeyRelease({ jws, at: this.#at, ...rules })).check
  }
}

function unreadableCheck(piece: PieceOf<'unreadable'> | PieceOf<'unknown'>): Check {
  if (piece.kind === 'unknown') return named(piece, skipped('file.kind', piece.reason))
  return named(piece, failed('file.kind', new ParseError({ code: piece.code, message: piece.reason })))
}
