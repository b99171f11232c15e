import { authorityExtensions } from '@strongroom/der'
import { digest, pckOids, toHex, utf8, type TdxCollateral, type TrustAnchors } from '@strongroom/evidence'
import { intelNames } from '../../../packages/silicon/src/intel/certificates.ts'
import { pckExtension } from '../../../packages/silicon/src/intel/pck-extension.ts'
import { createIntelPlatform } from '../../../packages/silicon/src/intel/platform.ts'
import { issueCertificate, leafExtensions } from '../../../packages/silicon/src/pki/certificate-writer.ts'
import { issueCrl } from '../../../packages/silicon/src/pki/crl-writer.ts'
import { loadOrCreateKey, signRaw, type SigningKey } from '../../../packages/silicon/src/pki/keys.ts'
import { toPem } from '../../../packages/silicon/src/pki/pem-writer.ts'
import { memoryKeyStore } from '../../../packages/silicon/src/testing.ts'
import type { TdxPlatform } from '../../../packages/silicon/src/intel/tdx-platform.ts'

type KeyName = 'root' | 'platform-ca' | 'pck' | 'tcb-signing' | 'attestation' | 'attacker'
const day = 86_400_000

/** Offsets of a version 4 quote's fields (DCAP quote generation library, appendix A.3). */
export const at = {
  vendorId: 12,
  teeTcbSvn: 48,
  mrSignerSeam: 112,
  seamAttributes: 160,
  attributes: 168,
  rtmr0: 376,
  reportData: 568,
  signatureLength: 632,
  signature: 636,
  attestationKey: 700,
  certificationLength: 766,
  qeReport: 770,
  qeSignature: 1154,
  qeAuthentication: 1220,
  pckType: 1252,
  pckLength: 1254,
  pckData: 1258,
} as const
/** Offsets of fields in the quoting enclave's report. */
export const qe = {
  miscSelect: 16,
  attributes: 48,
  mrSigner: 128,
  isvProdId: 256,
  isvSvn: 258,
  reportData: 320,
} as const

type Change = (bytes: Uint8Array, view: DataView) => void

/** An authority with Intel's names and all its keys, its quoting enclave and one of its platforms. */
export class IntelAuthority {
  readonly anchors: TrustAnchors
  readonly collateral: TdxCollateral
  /** PCK, platform CA, root; DER. */
  readonly chain: readonly [Uint8Array, Uint8Array, Uint8Array]
  readonly #store: ReturnType<typeof memoryKeyStore>
  readonly #platform: TdxPlatform
  readonly #now: Date

  private constructor(o: {
    store: ReturnType<typeof memoryKeyStore>
    platform: TdxPlatform
    collateral: TdxCollateral
    chain: readonly [Uint8Array, Uint8Array, Uint8Array]
    now: Date
  }) {
    this.anchors = { simulated: true, amd: [], intel: [o.platform.anchor] }
    this.collateral = o.collateral
    this.chain = o.chain
    this.#store = o.store
    this.#platform = o.platform
    this.#now = o.now
  }

  static async open(now: Date = new Date()): Promise<IntelAuthority> {
    const store = memoryKeyStore()
    const platform = await createIntelPlatform({ keys: store, clock: { now: () => now } })
    const collateral = await platform.collateral()
    const td = await platform.launch({ firmware: new Uint8Array(4096) })
    const quote = await platform.quote(await td.tdReport(new Uint8Array(64)))
    const pem = new TextDecoder().decode(quote.subarray(at.pckData))
    const ders = [...pem.matchAll(/-----BEGIN CERTIFICATE-----([^-]+)-----END/g)].map(([, text]) =>
      Uint8Array.from(Buffer.from(text!, 'base64')),
    )
    const chain = [ders[0]!, ders[1]!, ders[2]!] as const
    return new IntelAuthority({ store, platform, collateral, chain, now })
  }

  key(name: KeyName): Promise<SigningKey> {
    return loadOrCreateKey(this.#store, `simulated-intel-${name}`, 'ecdsa-p256-sha256')
  }

  /**
   * A quote whose TD and quoting enclave were changed, signed again by both.
   * @param o.td header and body, before the attestation key signs
   * @param o.enclave the quoting enclave's report, before the platform's key signs
   * @param o.chain PEM in place of the platform's chain
   * @param o.reportData 64 bytes
   */
  async quote(
    o: {
      td?: Change
      enclave?: Change
      chain?: readonly Uint8Array[]
      reportData?: Uint8Array
      signer?: KeyName
      enclaveSigner?: KeyName
    } = {},
  ): Promise<Uint8Array> {
    const td = await this.#platform.launch({ firmware: new Uint8Array(4096) })
    const whole = await this.#platform.quote(await td.tdReport(o.reportData ?? new Uint8Array(64)))
    const bytes = o.chain === undefined ? whole : withCertification(whole, 5, utf8(toPem(o.chain)))
    const view = (from: number): DataView => new DataView(bytes.buffer, bytes.byteOffset + from)
    o.td?.(bytes, view(0))
    bytes.set(
      await signRaw(await this.key(o.signer ?? 'attestation'), bytes.subarray(0, at.signatureLength)),
      at.signature,
    )
    const report = bytes.subarray(at.qeReport, at.qeSignature)
    o.enclave?.(report, view(at.qeReport))
    bytes.set(await signRaw(await this.key(o.enclaveSigner ?? 'pck'), report), at.qeSignature)
    return bytes
  }

  /** x and y of a key. */
  async pointOf(name: KeyName): Promise<Uint8Array> {
    return (await this.key(name)).spki.subarray(-64)
  }

  /** Report data with which a quoting enclave vouches for this attestation key. */
  async vouchingFor(point: Uint8Array, authentication: Uint8Array): Promise<Uint8Array> {
    const field = new Uint8Array(64)
    field.set(await digest('SHA-256', point, authentication))
    return field
  }

  /** An Intel text, changed and signed again by its signer. */
  async signed(
    member: 'tcbInfo' | 'enclaveIdentity',
    change: (value: Record<string, unknown>) => void,
  ): Promise<string> {
    const value = JSON.parse(this.bodyOf(member)) as Record<string, unknown>
    change(value)
    return await this.signedText(member, JSON.stringify(value))
  }

  async signedText(member: 'tcbInfo' | 'enclaveIdentity', body: string): Promise<string> {
    return `{"${member}":${body},"signature":"${toHex(await signRaw(await this.key('tcb-signing'), utf8(body)))}"}`
  }

  bodyOf(member: 'tcbInfo' | 'enclaveIdentity'): string {
    const text = member === 'tcbInfo' ? this.collateral.tcbInfo : this.collateral.qeIdentity
    return text.slice(`{"${member}":`.length, text.lastIndexOf(',"signature"'))
  }

  crl(which: 'root' | 'platform-ca', o: { thisUpdate: Date; nextUpdate: Date }): Promise<Uint8Array> {
    const issuer = which === 'root' ? intelNames.root : intelNames.platformCa
    return this.key(which).then((signer) => issueCrl({ issuer, signer, number: 9n, ...o }))
  }

  /** A PCK certificate from the platform CA whose key may itself issue certificates. */
  async pckThatIsAuthority(): Promise<Uint8Array> {
    return await this.#pck(authorityExtensions())
  }

  /** One like the platform's own. */
  async pckAgain(): Promise<Uint8Array> {
    return await this.#pck(leafExtensions())
  }

  async #pck(extensions: ReturnType<typeof leafExtensions>): Promise<Uint8Array> {
    const zero = new Uint8Array(16)
    return await issueCertificate({
      serialNumber: 77n,
      subject: intelNames.pck,
      issuer: intelNames.platformCa,
      subjectKey: (await this.key('pck')).spki,
      signer: await this.key('platform-ca'),
      notBefore: new Date(this.#now.getTime() - day),
      notAfter: new Date(this.#now.getTime() + 365 * day),
      extensions: [
        ...extensions,
        { oid: pckOids.extension, value: pckExtension({ ppid: zero, platformInstanceId: zero }) },
      ],
    })
  }
}

/** The quote with other certification data for its PCK. No signature covers them. */
export function withCertification(quote: Uint8Array, type: number, data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(at.pckData + data.length)
  bytes.set(quote.subarray(0, at.pckData))
  bytes.set(data, at.pckData)
  const view = new DataView(bytes.buffer)
  view.setUint16(at.pckType, type, true)
  view.setUint32(at.pckLength, data.length, true)
  view.setUint32(at.certificationLength, bytes.length - at.qeReport, true)
  view.setUint32(at.signatureLength, bytes.length - at.signature, true)
  return bytes
}
