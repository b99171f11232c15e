import type { BootPolicy } from '../eventlog/boot-claims.ts'
import type { AzureParts } from '../result/check-azure.ts'
import { checkAzure, checkRuntimeClaims, checkTdReport } from '../result/check-azure.ts'
import { checkCertificates, checkCollateral, checkCrl } from '../result/check-certificates.ts'
import type { HclPolicy } from '../result/check-hcl.ts'
import { checkEventLog } from '../result/check-log.ts'
import { checkSnp } from '../result/check-snp.ts'
import { checkTdx } from '../result/check-tdx.ts'
import { checkKeyRelease, checkToken } from '../result/check-token.ts'
import { checkTpmQuote, type TpmEvidence } from '../result/check-tpm.ts'
import { allOf, type Check, firstFailure, missingChecks, skipped } from '../result/check.ts'
import type { TrustAnchors } from '../result/trust-anchors.ts'
import { parseSnpReport } from '../snp/report.ts'
import { parseTdxQuote } from '../tdx/quote.ts'
import { type Jwk, parseJwks } from '../tokens/keys.ts'
import { genuineVaultAnchors, vaultSigner } from '../tokens/release.ts'
import { parseHclReport } from '../azure/hcl-report.ts'
import { parseCertificate } from '../x509/certificate.ts'
import type { Means } from '../x509/means.ts'
import { sameName } from '../x509/name.ts'
import { parsePublicKey } from '../x509/public-key.ts'
import { keyIn, signs, tdReportIn, tpmKeyOf } from './attestation-keys.ts'
import { bareSignature } from './binary.ts'
import { baseline, type EvidencePolicy } from './evidence-policy.ts'
import type { Piece, PieceKind, PieceOf } from './piece.ts'
import { attempt, Pool } from './pool.ts'
import { quoteOf, siblingOf } from './td-quotes.ts'

export type Verdict = 'accepted' | 'refused' | 'unjudged'

export interface Judgement {
  check: Check
  verdict: Verdict
  /** Code of the first failed check, for programs. */
  code?: string
}

interface JudgeInput extends Means {
  pieces: readonly Piece[]
  anchors: TrustAnchors
  at: Date
  policy?: EvidencePolicy
}

/**
 * Judges all pieces together: chains, collateral, keys and registers are found among them. Azure's parts are judged as one bundle.
 * Certificates, lists and Intel's texts are judged by themselves only where there is no other evidence.
 */
export async function judge(o: JudgeInput): Promise<Judgement> {
  const check = allOf(
    'evidence',
    await new Judge(o, await Pool.of(o.pieces, o.at, [...o.anchors.amd, ...o.anchors.intel], o)).judge(),
  )
  const code = firstFailure(check)?.code
  const verdict = check.outcome === 'passed' ? 'accepted' : check.outcome === 'failed' ? 'refused' : 'unjudged'
  return { check, verdict, ...(code === undefined ? {} : { code }) }
}

/** What keeps a verdict from being given: the checks whose input is absent. */
export function whatIsMissing(judgement: Judgement): Check[] {
  return missingChecks(judgement.check)
}

class Judge {
  readonly #pieces: readonly Piece[]
  readonly #anchors: TrustAnchors
  readonly #at: Date
  readonly #policy: EvidencePolicy
  readonly #pool: Pool
  readonly #means: Means

  constructor(o: JudgeInput, pool: Pool) {
    this.#means = { primitives: o.primitives, cache: o.cache }
    this.#pieces = o.pieces
    this.#anchors = o.anchors
    this.#at = o.at
    this.#policy = o.policy ?? {}
    this.#pool = pool
  }

  async judge(): Promise<Check[]> {
    const quotes = await this.#quotes()
    const azure = this.#of('hcl-report')
    const tdQuotes = this.#of('tdx-quote')
    const checks: Check[] = []
    let siblings = 0
    for (const hcl of azure) {
      const own = azure.length === 1 ? quotes : quotes.filter(({ owner }) => owner === hcl)
      const report = tdReportIn(hcl)
      const sibling =
        report === undefined
          ? undefined
          : siblingOf(hcl, { tdReport: report, quotes: this.#of('tdx-quote'), claims: this.#of('runtime-claims')[0] })
      if (sibling !== undefined) siblings++
      const quote = report === undefined || sibling !== undefined ? undefined : quoteOf(report, tdQuotes)
      if (quote !== undefined) tdQuotes.splice(tdQuotes.indexOf(quote), 1)
      const { check } = await checkAzure({
        ...this.#azureParts(hcl, quote, own),
        tdSibling: sibling,
      })
      checks.push(named(hcl, check))
    }
    const loose =
      azure.length > 1 ? quotes.filter(({ owner }) => owner === undefined) : azure.length === 0 ? quotes : []
    for (const { quote, piece } of loose) checks.push(named(piece, (await checkTpmQuote(quote)).check))
    for (const report of this.#of('snp-report')) checks.push(named(report, await this.#snp(report.bytes)))
    for (const quote of tdQuotes) checks.push(...(await this.#tdx(quote)))
    if (quotes.length === 0 && tdQuotes.length === 0) {
      for (const log of this.#of('event-log'))
        checks.push(named(log, (await checkEventLog({ log: log.bytes, ...this.#boot() })).check))
    }
    for (const report of this.#of('td-report')) {
      const quote = quoteOf(report.bytes, this.#of('tdx-quote'))
      const { check } = await checkTdReport({
        report: report.bytes,
        ...(quote === undefined ? {} : { quote: quote.bytes }),
      })
      checks.push(named(report, check))
    }
    if (checks.length > 0 || this.#of('snp-report').length > 0) {
      for (const piece of this.#of('runtime-claims')) {
        const { check } = await checkRuntimeClaims({
          claims: piece.bytes,
          reportData: this.#reportData(),
          attestationKeys: azure.map(keyIn).filter((key) => key !== undefined),
          ...this.#claimsPolicy(siblings > 0),
        })
        checks.push(named(piece, check))
      }
    }
    for (const token of this.#of('token')) checks.push(named(token, await this.#token(token.text)))
    for (const release of this.#of('release')) checks.push(named(release, await this.#release(release.text)))
    for (const piece of this.#of('unknown')) checks.push(named(piece, skipped('file.kind', piece.reason)))
    return checks.length > 0 ? checks : this.#materials()
  }

  #of<K extends PieceKind>(kind: K): PieceOf<K>[] {
    return this.#pieces.filter((piece): piece is PieceOf<K> => piece.kind === kind)
  }

  async #snp(report: Uint8Array): Promise<Check> {
    return (
      await checkSnp({ report, ...this.#snpParts(report), ...this.#common(), policy: this.#policy.snp ?? baseline.snp })
    ).check
  }

  #common(): Means & { anchors: TrustAnchors; at: Date } {
    return { anchors: this.#anchors, at: this.#at, ...this.#means }
  }

  /**
   * What claims beside a report must say. User data are in the claims of the paravisor's report, which hardware signs; where that
   * report was never quoted, only quoted claims count.
   */
  #claimsPolicy(alone: boolean): { policy?: HclPolicy } {
    const { hcl } = this.#policy
    if (hcl === undefined || alone) return hcl === undefined ? {} : { policy: hcl }
    return hcl.configuration === undefined ? {} : { policy: { configuration: hcl.configuration } }
  }

  #boot(): { policy?: BootPolicy } {
    return this.#policy.boot === undefined ? {} : { policy: this.#policy.boot }
  }

  #snpParts(report: Uint8Array): Pick<AzureParts, 'chain' | 'crl'> {
    const chain = this.#pool.snpChain(report)
    if (chain === undefined) return {}
    const crl = this.#pool.crlOf(attempt(() => parseCertificate(chain.ark)))
    return { chain, crl }
  }

  async #tdx(piece: PieceOf<'tdx-quote'>): Promise<Check[]> {
    const { check, value } = await checkTdx({
      quote: piece.bytes,
      collateral: this.#pool.tdxCollateral(piece.bytes),
      pckChain: this.#pool.pckChain(piece.bytes),
      ...this.#common(),
      policy: this.#policy.tdx ?? baseline.tdx,
    })
    const logs = this.#of('event-log')
    const rtmrs = value?.body.rtmrs ?? attempt(() => parseTdxQuote(piece.bytes))?.body.rtmrs
    const judged = await Promise.all(
      logs.map(async (log) => named(log, (await checkEventLog({ log: log.bytes, rtmrs, ...this.#boot() })).check)),
    )
    return [named(piece, check), ...judged]
  }

  /** Report data of every hardware report, read without judging: what is bound to a report stands and falls with it. */
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
    const publics = this.#of('tpm-public')
    const { hcl: hclPolicy, snp, tdx } = this.#policy
    return {
      hclReport: hcl.bytes,
      ...this.#common(),
      ...(report?.reportType === 'SNP' ? this.#snpParts(report.hardwareReport) : {}),
      ...(tdQuote === undefined
        ? {}
        : {
            tdQuote: tdQuote.bytes,
            collateral: this.#pool.tdxCollateral(tdQuote.bytes),
            pckChain: this.#pool.pckChain(tdQuote.bytes),
          }),
      ...(publics[0] === undefined || publics.length > 1 ? {} : { akPublic: publics[0].bytes }),
      quotes: quotes.map(({ quote }) => quote),
      snpPolicy: snp ?? baseline.snp,
      tdxPolicy: tdx ?? baseline.tdx,
      hclPolicy,
    }
  }

  /** TPM quotes, put together from their parts where those are files of their own, each with the HCL report whose key signed it. */
  async #quotes(): Promise<JudgedQuote[]> {
    const { nonce, pcrs: expectedPcrs } = this.#policy.tpm ?? {}
    const logs = this.#of('event-log')
    const shared = {
      nonce,
      expectedPcrs,
      bootPolicy: this.#policy.boot,
      ...(logs[0] === undefined || logs.length > 1 ? {} : { eventLog: logs[0].bytes }),
    }
    const quotes = this.#of('tpm-quote').map((piece): JudgedQuote => {
      const { message, signature, pcrs, akPublic, bank, eventLog, nonce: own } = piece
      return {
        piece,
        quote: {
          message,
          signature,
          ...(pcrs.size === 0 ? {} : { pcrs }),
          bank,
          akPublic,
          eventLog,
          ...shared,
          statedNonce: own,
        },
      }
    })
    const signatures = [...this.#of('tpm-signature'), ...this.#of('signature')]
    for (const [index, piece] of this.#of('tpm-attest').entries()) {
      const found = signatures[index]
      const signature =
        found === undefined
          ? bareSignature(new Uint8Array())
          : found.kind === 'signature'
            ? bareSignature(found.bytes)
            : found.bytes
      quotes.push({ piece, quote: { message: piece.bytes, signature, ...shared } })
    }
    for (const each of quotes) await this.#findKey(each)
    return quotes
  }

  async #findKey(each: JudgedQuote): Promise<void> {
    const { quote } = each
    for (const hcl of this.#of('hcl-report')) {
      const key = keyIn(hcl)
      if (key !== undefined && (await signs(key, quote))) each.owner = hcl
    }
    if (quote.akPublic !== undefined || each.owner !== undefined) return
    const publics = this.#of('tpm-public')
    const [given] = publics
    if (given !== undefined) {
      quote.akPublic = given.bytes
      if (!given.nested) quote.keyBoundBy = 'caller'
      return
    }
    // What the user names as a file of its own, the user knows.
    for (const { spki } of this.#of('public-key')) {
      const key = attempt(() => tpmKeyOf(parsePublicKey(spki)))
      if (key === undefined) continue
      quote.akPublic = key
      quote.keyBoundBy = 'caller'
      return
    }
    for (const certificate of this.#pool.certificates) {
      const key = tpmKeyOf(certificate.publicKey)
      if (key === undefined || !(await signs(key, quote))) continue
      quote.akPublic = key
      const chain = this.#pool.chainFrom(certificate).map(({ raw }) => raw)
      quote.keyBoundBy = { chain, roots: this.#policy.tpm?.roots, at: this.#at }
    }
  }

  async #token(token: string): Promise<Check> {
    const rules = this.#policy.token ?? {}
    const sets = this.#of('jwks').filter(({ nested }) => !nested)
    const keys = sets.flatMap(({ value }): Jwk[] => attempt(() => parseJwks(value)) ?? [])
    const { check } = await checkToken({
      token,
      issuer: rules.issuer ?? 'any',
      at: this.#at,
      reportData: this.#reportData(),
      ...(sets.length === 0 ? {} : { keys }),
      kind: rules.kind,
      audience: rules.audience,
      algorithms: rules.algorithms,
      claims: rules.claims,
    })
    return check
  }

  async #release(jws: string): Promise<Check> {
    const rules = this.#policy.release ?? { roots: genuineVaultAnchors, signer: vaultSigner }
    if (this.#policy.release === undefined && this.#anchors.simulated) {
      return skipped('release.signer', 'The roots of this installation’s vault were not given')
    }
    return (await checkKeyRelease({ jws, at: this.#at, ...rules })).check
  }

  /** Certificates, lists and texts, where nothing else is to be judged. */
  async #materials(): Promise<Check[]> {
    const anchors = [...this.#anchors.amd, ...this.#anchors.intel]
    const checks: Check[] = []
    for (const piece of this.#of('certificates')) {
      for (const der of piece.certificates) {
        const certificate = attempt(() => parseCertificate(der))
        const chain = certificate === undefined ? [der] : this.#pool.chainFrom(certificate).map(({ raw }) => raw)
        checks.push(named(piece, await checkCertificates({ chain, anchors, at: this.#at, ...this.#means })))
      }
    }
    for (const piece of this.#of('crl')) {
      const crl = this.#pool.crls.find(({ raw }) => raw === piece.bytes)
      const issuer = crl && this.#pool.certificates.find(({ subject }) => sameName(subject, crl.issuer))
      const issuerChain = issuer && this.#pool.chainFrom(issuer).map(({ raw }) => raw)
      checks.push(
        named(
          piece,
          await checkCrl({
            crl: piece.bytes,
            anchors,
            at: this.#at,
            ...this.#means,
            issuerChain,
          }),
        ),
      )
    }
    for (const piece of [...this.#of('tcb-info'), ...this.#of('qe-identity')]) {
      const member = piece.kind === 'tcb-info' ? 'tcbInfo' : 'enclaveIdentity'
      const issuerChainPem = this.#pool.signerChain()
      const rootCrl = this.#pool.crlOf(this.#pool.signerRoot())
      const check = await checkCollateral({
        member,
        text: piece.text,
        anchors: this.#anchors.intel,
        at: this.#at,
        ...this.#means,
        issuerChainPem,
        rootCrl,
      })
      checks.push(named(piece, check))
    }
    for (const piece of this.#pieces.filter(
      ({ kind }) =>
        kind === 'jwks' ||
        kind === 'runtime-claims' ||
        kind === 'signature' ||
        kind === 'tpm-public' ||
        kind === 'public-key' ||
        kind === 'tpm-signature',
    )) {
      checks.push(named(piece, skipped('file.kind', `${piece.kind} shows nothing by itself`)))
    }
    return checks
  }
}

interface JudgedQuote {
  piece: Piece
  quote: TpmEvidence
  owner?: PieceOf<'hcl-report'>
}

/** The check, with the name of the file that it is about. */
function named(piece: Piece, check: Check): Check {
  const name = piece.name.trim()
  return name === '' ? check : { ...check, shows: `${name}: ${check.shows}` }
}
