import { equal } from '../bytes/bytes.ts'
import { toBase64 } from '../bytes/base64.ts'
import { readEndorsement } from '../snp/endorse.ts'
import { parseSnpReport } from '../snp/report.ts'
import type { SnpChain } from '../snp/verify.ts'
import type { TdxCollateral } from '../tdx/collateral.ts'
import { readPckExtension } from '../tdx/pck.ts'
import { splitSignedJson } from '../tdx/signed-json.ts'
import { parseTdxQuote } from '../tdx/quote.ts'
import { parseTcbInfo } from '../tdx/tcb-info.ts'
import { parseQeIdentity } from '../tdx/qe-identity.ts'
import { type Certificate, parseCertificate } from '../x509/certificate.ts'
import { type Crl, parseCrl } from '../x509/crl.ts'
import { sameName } from '../x509/name.ts'
import type { Piece } from './piece.ts'

/** Undefined where the bytes cannot be read: whoever judges them says why. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}

/**
 * Certificates, lists and signed texts of all files, from which what belongs to a piece of evidence is picked. Picking is by
 * names and numbers and decides nothing: whatever is picked is verified against pinned roots.
 */
export class Pool {
  readonly certificates: readonly Certificate[]
  readonly crls: readonly Crl[]
  readonly #texts: readonly { kind: 'tcb-info' | 'qe-identity'; text: string }[]
  readonly #at: Date
  /** Bytes and texts that were picked, to tell what was of no use. */
  readonly used: Set<Uint8Array | string> = new Set()

  constructor(pieces: readonly Piece[], at: Date) {
    const ders = pieces.flatMap((piece) =>
      piece.kind === 'certificates' ? piece.certificates : piece.kind === 'tdx-quote' ? chainIn(piece.bytes) : [],
    )
    this.certificates = ders.map((der) => attempt(() => parseCertificate(der))).filter((found) => found !== undefined)
    this.crls = pieces
      .flatMap((piece) => (piece.kind === 'crl' ? [attempt(() => parseCrl(piece.bytes))] : []))
      .filter((found) => found !== undefined)
    this.#texts = pieces.flatMap((piece) => (piece.kind === 'tcb-info' || piece.kind === 'qe-identity' ? [piece] : []))
    this.#at = at
  }

  /** Certificates from this one up to a self-signed one, by names; ends where an issuer is absent. */
  chainFrom(leaf: Certificate): Certificate[] {
    const chain = [leaf]
    for (let last = leaf; chain.length < 6 && !sameName(last.issuer, last.subject);) {
      const issuers = this.certificates.filter((each) => sameName(each.subject, last.issuer))
      const issuer = this.#best(issuers, last)
      if (issuer === undefined) break
      chain.push(issuer)
      last = issuer
    }
    for (const certificate of chain) this.used.add(certificate.raw)
    return chain
  }

  /** Issuers of one name may have several certificates: the one whose key identifier the child names, then one of this time. */
  #best(issuers: readonly Certificate[], child: Certificate): Certificate | undefined {
    const authority = child.extensions.find(({ oid }) => oid === '2.5.29.35')?.value
    const named = issuers.filter((issuer) => {
      const own = issuer.extensions.find(({ oid }) => oid === '2.5.29.14')?.value
      return (
        own !== undefined && authority !== undefined && equal(own.subarray(2), authority.subarray(4, 2 + own.length))
      )
    })
    const candidates = named.length > 0 ? named : issuers
    return candidates.find((each) => each.notBefore <= this.#at && this.#at <= each.notAfter) ?? candidates[0]
  }

  /** Chain of the key that this report names: of its chip and versions where there is one, else any of its kind. */
  snpChain(bytes: Uint8Array): SnpChain | undefined {
    const report = attempt(() => parseSnpReport(bytes))
    const keys = this.certificates.filter(({ subject }) => /^SEV-V[CL]EK$/.test(subject.commonName ?? ''))
    const fits = keys.map((certificate) => {
      const endorsement = attempt(() => readEndorsement(certificate))
      if (report === undefined || endorsement === undefined) return { certificate, rank: 0 }
      const id = endorsement.hardwareId
      const sameChip = id === undefined || equal(report.chipId.subarray(0, id.length), id)
      return { certificate, rank: 1 + (endorsement.signer === report.signingKey ? 2 : 0) + (sameChip ? 1 : 0) }
    })
    const [best] = fits.toSorted((left, right) => right.rank - left.rank)
    const leaf = best?.certificate ?? this.certificates.find(({ basicConstraints }) => basicConstraints?.ca !== true)
    if (leaf === undefined) return undefined
    const [, ask, ark] = this.chainFrom(leaf)
    // A key whose issuers are absent cannot be judged; one that names issuers which are not AMD's at all can.
    if (ask === undefined || ark === undefined) return undefined
    return { vcek: leaf.raw, ask: ask.raw, ark: ark.raw }
  }

  /** The newest list of this issuer that is of this time, else the newest. */
  crlOf(issuer: Certificate | undefined): Uint8Array | undefined {
    if (issuer === undefined) return undefined
    const own = this.crls
      .filter((crl) => sameName(crl.issuer, issuer.subject))
      .toSorted((left, right) => right.thisUpdate.getTime() - left.thisUpdate.getTime())
    const found =
      own.find((crl) => crl.thisUpdate <= this.#at && crl.nextUpdate !== undefined && this.#at <= crl.nextUpdate) ??
      own[0]
    if (found !== undefined) this.used.add(found.raw)
    return found?.raw
  }

  /** Chain of whoever signs Intel's texts, as PEM. */
  signerChain(): string | undefined {
    const signers = this.certificates.filter(({ subject }) => subject.commonName === 'Intel SGX TCB Signing')
    const signer = signers.find((each) => each.notBefore <= this.#at && this.#at <= each.notAfter) ?? signers[0]
    if (signer === undefined) return undefined
    const chain = this.chainFrom(signer)
    return chain.length < 2 ? undefined : chain.map(({ raw }) => toPem(raw)).join('')
  }

  /** What there is of Intel's collateral for this quote. */
  tdxCollateral(bytes: Uint8Array): Partial<TdxCollateral> {
    const chain = chainIn(bytes).map((der) => attempt(() => parseCertificate(der)))
    const pck = chain[0] && attempt(() => readPckExtension(chain[0] as Certificate))
    const infos = this.#pick('tcb-info', parseTcbInfo)
    const info = infos.find(({ value }) => pck !== undefined && equal(value.fmspc, pck.fmspc)) ?? infos[0]
    const identity = this.#pick('qe-identity', parseQeIdentity)[0]
    const issuerChain = this.signerChain()
    const pckCrl = this.crlOf(chain[1])
    const rootCaCrl = this.crlOf(chain.at(-1))
    for (const text of [info?.text, identity?.text]) if (text !== undefined) this.used.add(text)
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

  /** Texts of one kind, those of this time first, then the newest; what cannot be read last. */
  #pick<T extends { issueDate: Date; nextUpdate: Date }>(
    kind: 'tcb-info' | 'qe-identity',
    parse: (body: string) => T,
  ): { text: string; value: T }[] {
    const member = kind === 'tcb-info' ? 'tcbInfo' : 'enclaveIdentity'
    const read = this.#texts
      .filter((each) => each.kind === kind)
      .map(({ text }) => ({ text, value: attempt(() => parse(splitSignedJson(text, member).body)) }))
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

function chainIn(quote: Uint8Array): readonly Uint8Array[] {
  const parsed = attempt(() => parseTdxQuote(quote))
  return parsed?.certification.type === 'pckChain' ? parsed.certification.chain : []
}

function toPem(der: Uint8Array): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
