import type { CollateralFiles } from '../../checks/check-tdx-platform.ts'
import { equal, isZero } from '../../core/bytes/bytes.ts'
import { toBase64 } from '../../core/bytes/base64.ts'
import { readEndorsement } from '../../snp/endorse.ts'
import { parseSnpReport, type SnpReport } from '../../snp/report.ts'
import { decodeTcb, describeTcb } from '../../snp/tcb.ts'
import type { SnpChain } from '../../snp/verify.ts'
import type { TdxCollateral } from '../../tdx/collateral.ts'
import { readPckExtension } from '../../tdx/pck.ts'
import { splitSignedJson } from '../../tdx/signed-json.ts'
import { parseTdxQuote } from '../../tdx/quote.ts'
import { requireNamedPck } from '../../tdx/verify.ts'
import { parseTcbInfo } from '../../tdx/tcb-info.ts'
import { parseQeIdentity } from '../../tdx/qe-identity.ts'
import { chainSource, vcekSource } from '../../checks/sources.ts'
import type { TrustAnchor } from '../../x509/trust-anchors.ts'
import { type Certificate, parseCertificate } from '../../x509/certificate.ts'
import { type Crl, parseCrl } from '../../x509/crl.ts'
import { type Extension, findExtension } from '../../x509/extensions.ts'
import type { VerifyContext } from '../../x509/verify-context.ts'
import { sameName } from '../../x509/name.ts'
import { oid } from '../../x509/oids.ts'
import { spkiSha256, verifyPath } from '../../x509/path.ts'
import { Ledger } from './ledger.ts'
import type { Piece } from './piece.ts'

/** Names of the keys that sign reports (AMD 57230). */
const reportKeys: ReadonlySet<string | undefined> = new Set(['SEV-VCEK', 'SEV-VLEK'])

/** Undefined if the bytes cannot be read: the check that judges them reports why. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

/**
 * Certificates, lists and signed texts of all files, from which those that belong to a piece of evidence are picked.
 * Picking compares names and numbers and decides nothing: each pick is verified against pinned roots.
 */
export class Pool {
  /** What was picked. */
  readonly ledger: Ledger = new Ledger()
  readonly certificates: readonly Certificate[]
  readonly crls: readonly Crl[]
  /** Intel's, of both kinds. */
  readonly #texts: readonly string[]
  readonly #at: Date
  /** Name of the piece that holds a text or a list. */
  readonly #names: ReadonlyMap<Uint8Array | string, string>

  #signer: readonly Certificate[] = []
  /** Roots whose keys are pinned: test and other roots have the same names. */
  #trusted: ReadonlySet<Certificate> = new Set()

  /** @param anchors pinned roots; they only decide what is picked first */
  static async of(
    pieces: readonly Piece[],
    at: Date,
    anchors: readonly TrustAnchor[],
    { primitives, cache }: VerifyContext,
  ): Promise<Pool> {
    const pool = new Pool(pieces, at)
    const pins = new Set(anchors.map(({ spkiSha256: pin }) => pin))
    const roots = pool.certificates.filter(({ issuer, subject }) => sameName(issuer, subject))
    const known = await Promise.all(
      roots.map(async (root) => (pins.has(await spkiSha256(root, { primitives, cache })) ? [root] : [])),
    )
    pool.#trusted = new Set(known.flat())
    pool.#signer = await pool.#findSigner(anchors, { primitives, cache })
    return pool
  }

  private constructor(pieces: readonly Piece[], at: Date) {
    const ders = pieces.flatMap((piece) =>
      piece.kind === 'certificates' ? piece.certificates : piece.kind === 'tdx-quote' ? chainIn(piece.bytes) : [],
    )
    this.certificates = ders.map((der) => attempt(() => parseCertificate(der))).filter((found) => found !== undefined)
    this.crls = pieces
      .flatMap((piece) => (piece.kind === 'crl' ? [attempt(() => parseCrl(piece.bytes))] : []))
      .filter((found) => found !== undefined)
    this.#texts = pieces.flatMap((piece) =>
      piece.kind === 'tcb-info' || piece.kind === 'qe-identity' ? [piece.text] : [],
    )
    this.#at = at
    this.#names = new Map(
      pieces.flatMap((piece): [Uint8Array | string, string][] =>
        piece.kind === 'crl'
          ? [[piece.bytes, piece.name]]
          : piece.kind === 'tcb-info' || piece.kind === 'qe-identity'
            ? [[piece.text, piece.name]]
            : [],
      ),
    )
  }

  /**
   * Certificates from this one up to a self-signed one, matched by name; stops at an absent issuer.
   * @param own certificates that came with it
   */
  chainFrom(leaf: Certificate, own: readonly Certificate[] = []): Certificate[] {
    const chain = [leaf]
    const all = [...own, ...this.certificates]
    for (let last = leaf; chain.length < 6 && !sameName(last.issuer, last.subject);) {
      const issuers = all.filter((each) => sameName(each.subject, last.issuer))
      const issuer = this.#best(issuers, last)
      if (issuer === undefined) break
      chain.push(issuer)
      last = issuer
    }
    return chain
  }

  /** Several certificates may have an issuer's name: prefer the one whose key identifier the child names, then a currently valid one. */
  #best(issuers: readonly Certificate[], child: Certificate): Certificate | undefined {
    const named = issuers.filter((issuer) => namesKey(child.extensions, issuer))
    const known = named.length > 0 ? named : issuers
    const trusted = known.filter((each) => this.#trusted.has(each))
    const candidates = trusted.length > 0 ? trusted : known
    return candidates.find((each) => each.notBefore <= this.#at && this.#at <= each.notAfter) ?? candidates[0]
  }

  /** Chain of the key that this report names: for its chip and versions if available, else any of its kind. */
  snpChain(bytes: Uint8Array): SnpChain | undefined {
    const leaf = this.#snpLeaf(bytes)
    if (leaf === undefined) return undefined
    const [, ask, ark] = this.chainFrom(leaf)
    // A key without issuers cannot be judged; one with issuers that are not AMD's can.
    if (ask === undefined || ark === undefined) return undefined
    this.ledger.use(leaf.raw, ask.raw, ark.raw)
    return { vcek: leaf.raw, ask: ask.raw, ark: ark.raw }
  }

  /** Why there is no such chain: what is missing, or whose chain was given instead. */
  withoutSnpChain(bytes: Uint8Array): string {
    const report = attempt(() => parseSnpReport(bytes))
    const kind = report?.signingKey === 'VLEK' ? 'VLEK' : 'VCEK'
    const leaf = this.#snpLeaf(bytes)
    const authorities = this.certificates.filter(({ basicConstraints }) => basicConstraints?.ca === true)
    const names = [...new Set(authorities.map(({ subject }) => subject.commonName ?? 'without a name'))].join(', ')
    if (leaf === undefined) {
      const given = names === '' ? 'No certificate was given' : `The ${kind} was not given (${names} were)`
      return `${given}: ${vcekSource(report)}`
    }
    const wanted = leaf.issuer.commonName ?? 'its issuer'
    if (names === '')
      return `The chain of this ${kind} was not given: get ${wanted} and its root from ${chainSource(report)}`
    const [, last = leaf] = this.chainFrom(leaf)
    const lacking = last.issuer.commonName ?? wanted
    return `This chain does not belong to this ${kind}: it needs ${lacking}, and given were ${names}; get it from ${chainSource(report)}`
  }

  #snpLeaf(bytes: Uint8Array): Certificate | undefined {
    const report = attempt(() => parseSnpReport(bytes))
    const keys = this.certificates.filter(({ subject }) => reportKeys.has(subject.commonName))
    const fits = keys.map((certificate) => ({ certificate, rank: this.#rank(certificate, report) }))
    const [best] = fits.toSorted((left, right) => right.rank - left.rank)
    return best?.certificate ?? this.certificates.find(({ basicConstraints }) => basicConstraints?.ca !== true)
  }

  /** How well a key fits a report: kind, chip, versions, validity. */
  #rank(certificate: Certificate, report: SnpReport | undefined): number {
    const endorsement = attempt(() => readEndorsement(certificate))
    if (report === undefined || endorsement === undefined) return 0
    const { hardwareId: id, signer, product, tcb } = endorsement
    const reported = attempt(() => describeTcb(decodeTcb(report.reportedTcb, product)))
    const marks: [boolean, number][] = [
      [signer === report.signingKey, 8],
      [id === undefined || isZero(report.chipId) || equal(report.chipId.subarray(0, id.length), id), 4],
      [reported === describeTcb(tcb), 2],
      [certificate.notBefore <= this.#at && this.#at <= certificate.notAfter, 1],
    ]
    return 1 + marks.reduce((sum, [holds, weight]) => sum + (holds ? weight : 0), 0)
  }

  /** This issuer's newest currently valid list, else its newest. */
  crlOf(issuer: Certificate | undefined): Uint8Array | undefined {
    if (issuer === undefined) return undefined
    const named = this.crls.filter((crl) => sameName(crl.issuer, issuer.subject))
    // A list that names another key comes from another authority of the same name.
    const keyed = named.filter(
      ({ extensions }) =>
        findExtension(extensions, oid.authorityKeyIdentifier) === undefined || namesKey(extensions, issuer),
    )
    this.ledger.use(...keyed.map(({ raw }) => raw))
    const own = keyed.toSorted((left, right) => right.thisUpdate.getTime() - left.thisUpdate.getTime())
    const found =
      own.find((crl) => crl.thisUpdate <= this.#at && crl.nextUpdate !== undefined && this.#at <= crl.nextUpdate) ??
      own[0]
    this.ledger.apply(found?.raw)
    return found?.raw
  }

  /** Root above the signer of Intel's texts. */
  signerRoot(): Certificate | undefined {
    return this.#signer.at(-1)
  }

  /** Chain of the signer of Intel's texts, as PEM. */
  signerChain(): string | undefined {
    const chain = this.#signer
    this.ledger.use(...chain.map(({ raw }) => raw))
    return chain.length < 2 ? undefined : chain.map(({ raw }) => toPem(raw)).join('')
  }

  /** Several certificates have the name: pick the one whose chain holds, else a currently valid one. */
  async #findSigner(anchors: readonly TrustAnchor[], context: VerifyContext): Promise<readonly Certificate[]> {
    const signers = this.certificates.filter(({ subject }) => subject.commonName === 'Intel SGX TCB Signing')
    const chains = signers.map((signer) => this.chainFrom(signer))
    for (const chain of chains) {
      try {
        await verifyPath({ chain, anchors, at: this.#at, ...context })
        return chain
      } catch {
        // The check that judges the pick reports why it does not hold.
      }
    }
    const current = signers.findIndex(({ notBefore, notAfter }) => notBefore <= this.#at && this.#at <= notAfter)
    return chains[current] ?? chains[0] ?? []
  }

  /** Chain of the certificate that a quote names but does not contain; undefined for quotes that contain theirs. */
  pckChain(bytes: Uint8Array): readonly Uint8Array[] | undefined {
    const quote = attempt(() => parseTdxQuote(bytes))
    if (quote === undefined || quote.certification.type === 'pckChain') return undefined
    const leaf = this.certificates.find((certificate) =>
      attempt(() => {
        requireNamedPck(quote, readPckExtension(certificate))
        return true
      }),
    )
    if (leaf === undefined) return undefined
    const chain = this.chainFrom(leaf).map(({ raw }) => raw)
    this.ledger.use(...chain)
    return chain
  }

  /** Available Intel collateral for this quote. */
  tdxCollateral(bytes: Uint8Array): Partial<TdxCollateral> {
    const ders = this.pckChain(bytes) ?? chainIn(bytes)
    this.ledger.use(...ders)
    const chain = ders.map((der) => attempt(() => parseCertificate(der)))
    const pck = chain[0] && attempt(() => readPckExtension(chain[0] as Certificate))
    const infos = this.#pick('tcbInfo', parseTcbInfo)
    const info = infos.find(({ value }) => pck !== undefined && equal(value.fmspc, pck.fmspc)) ?? infos[0]
    const identity = this.#pick('enclaveIdentity', parseQeIdentity)[0]
    this.ledger.use(info?.text, identity?.text)
    const issuerChain = this.signerChain()
    const pckCrl = this.crlOf(chain[1])
    const rootCaCrl = this.crlOf(chain.at(-1))
    return {
      pckCrlIssuerChainPem: '',
      ...(info === undefined ? {} : { tcbInfo: info.text }),
      ...(identity === undefined ? {} : { qeIdentity: identity.text }),
      ...(issuerChain === undefined
        ? {}
        : { tcbInfoIssuerChainPem: issuerChain, qeIdentityIssuerChainPem: issuerChain }),
      ...(pckCrl === undefined ? {} : { pckCrl }),
      ...(rootCaCrl === undefined ? {} : { rootCaCrl }),
    }
  }

  /** Where the parts of collateral were found, for display. */
  filesOf(collateral: Partial<TdxCollateral>): CollateralFiles {
    const parts = ['tcbInfo', 'qeIdentity', 'pckCrl', 'rootCaCrl'] as const
    const named = parts.map((part) => [part, this.#names.get(collateral[part] ?? '')?.trim()] as const)
    return Object.fromEntries(named.filter(([, name]) => name !== undefined && name !== ''))
  }

  /** Readable texts with this member: currently valid ones first, then the newest. */
  #pick<T extends { issueDate: Date; nextUpdate: Date }>(
    member: 'tcbInfo' | 'enclaveIdentity',
    parse: (body: string) => T,
  ): { text: string; value: T }[] {
    const read = this.#texts.map((text) => ({
      text,
      value: attempt(() => parse(splitSignedJson(text, member).body)),
    }))
    const current = (value: T): number => (value.issueDate <= this.#at && this.#at <= value.nextUpdate ? 1 : 0)
    return read
      .filter((each): each is { text: string; value: T } => each.value !== undefined)
      .toSorted(
        (left, right) =>
          current(right.value) - current(left.value) ||
          right.value.issueDate.getTime() - left.value.issueDate.getTime(),
      )
  }
}

/** True if the authority key identifier equals the issuer's subject key identifier: names alone may be a test root's. */
function namesKey(extensions: readonly Extension[], issuer: Certificate): boolean {
  const own = findExtension(issuer.extensions, oid.subjectKeyIdentifier)?.value
  const authority = findExtension(extensions, oid.authorityKeyIdentifier)?.value
  // OCTET STRING against the first member, [0], of a SEQUENCE.
  return own !== undefined && authority !== undefined && equal(own.subarray(2), authority.subarray(4, 2 + own.length))
}

function chainIn(quote: Uint8Array): readonly Uint8Array[] {
  const parsed = attempt(() => parseTdxQuote(quote))
  return parsed?.certification.type === 'pckChain' ? parsed.certification.chain : []
}

function toPem(der: Uint8Array): string {
  const lines = toBase64(der).replaceAll(/.{64}(?=.)/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}
