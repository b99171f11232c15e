import { ia5String, integer, authorityExtensions, type Extension, type NameAttributes } from '@strongroom/der'
import { amdOid, digest, encodeTcb, type SnpProduct, type TcbVersion } from '@strongroom/evidence'
import type { Clock } from '../pki/clock.ts'
import { issueCertificate, keyIdentifierExtensions } from '../pki/certificate-writer.ts'
import { issueCrl } from '../pki/crl-writer.ts'
import { loadOrCreateKey, type KeyStore, type SigningKey } from '../pki/keys.ts'
import { toPem } from '../pki/pem-writer.ts'

/** Processor lines that the simulation can be. */
export type SimulatedProduct = Extract<SnpProduct, 'Milan' | 'Genoa'>

/** What AMD's key distribution service would answer for the simulated chip. DER, or PEM if the service returns PEM. */
export interface AmdEndorsements {
  vcek: Uint8Array
  ask: Uint8Array
  ark: Uint8Array
  /** The root's list, as under `/vcek/v1/{product}/crl`. */
  crl: Uint8Array
  /** ASK then ARK, as under `/vcek/v1/{product}/cert_chain`. */
  chainPem: string
  vcekPem: string
  product: SimulatedProduct
  /** 64 bytes: the chip's path at the service, in hexadecimal. */
  hardwareId: Uint8Array
  /** Versions in the VCEK. */
  tcb: TcbVersion
  /** The versions as the service's clients write them: 16 hexadecimal digits. */
  tcbm: string
}

const day = 24 * 60 * 60 * 1000
/** Validity of the root and the intermediate: fixed, so that lists of one start belong to the same authority as those of the next. */
const authorityNotBefore = new Date('2020-01-01T00:00:00Z')
const authorityNotAfter = new Date('2049-12-31T23:59:59Z')
const vcekDays = 7 * 365
const crlDays = 30
const serialNumbers = { ark: 0x10000n, ask: 0x10001n, vcek: 0n } as const

/** Verifiers match AMD's names; the unit in every certificate marks it as simulated. */
export function amdName(commonName: string): NameAttributes {
  return [
    ['OU', 'Simulated: no protection from the host'],
    ['O', 'Strongroom simulated silicon'],
    ['CN', commonName],
  ]
}

/** Authority over the simulated chip. Certificates are created on first use and renewed before they expire. */
export class SimulatedAmdEndorser {
  readonly product: SimulatedProduct
  readonly tcb: TcbVersion
  readonly #ark: SigningKey
  readonly #ask: SigningKey
  readonly #vcek: SigningKey
  readonly #clock: Clock
  #issued: Promise<{ vcek: Uint8Array; ask: Uint8Array; ark: Uint8Array; until: Date }> | undefined
  #crl: { list: Promise<Uint8Array>; renewAt: Date } | undefined

  private constructor(o: {
    product: SimulatedProduct
    tcb: TcbVersion
    ark: SigningKey
    ask: SigningKey
    vcek: SigningKey
    clock: Clock
  }) {
    this.product = o.product
    this.tcb = o.tcb
    this.#ark = o.ark
    this.#ask = o.ask
    this.#vcek = o.vcek
    this.#clock = o.clock
  }

  static async open(o: {
    keys: KeyStore
    clock: Clock
    product: SimulatedProduct
    tcb: TcbVersion
  }): Promise<SimulatedAmdEndorser> {
    const [ark, ask, vcek] = await Promise.all([
      loadOrCreateKey(o.keys, 'simulated-amd-ark', 'rsa-pss-sha384'),
      loadOrCreateKey(o.keys, 'simulated-amd-ask', 'rsa-pss-sha384'),
      loadOrCreateKey(o.keys, 'simulated-amd-vcek', 'ecdsa-p384-sha384'),
    ])
    return new SimulatedAmdEndorser({ product: o.product, tcb: o.tcb, ark, ask, vcek, clock: o.clock })
  }

  /** SHA-256 of the root's public key, for a pin. */
  get rootSpki(): Uint8Array {
    return this.#ark.spki
  }

  /** Key that signs reports. */
  get chipKey(): SigningKey {
    return this.#vcek
  }

  /** Identity of the chip: derived from its key, so it need not be stored. */
  hardwareId(): Promise<Uint8Array> {
    return digest('SHA-512', this.#vcek.spki)
  }

  async endorsements(): Promise<AmdEndorsements> {
    const now = this.#clock.now()
    const issued = await this.#certificates(now)
    const { vcek, ask, ark } = issued
    return {
      vcek,
      ask,
      ark,
      crl: await this.#revocationList(now),
      chainPem: toPem([ask, ark]),
      vcekPem: toPem([vcek]),
      product: this.product,
      hardwareId: await this.hardwareId(),
      tcb: { ...this.tcb },
      tcbm: encodeTcb(this.tcb, this.product).toString(16).padStart(16, '0'),
    }
  }

  async #certificates(now: Date): Promise<{ vcek: Uint8Array; ask: Uint8Array; ark: Uint8Array }> {
    if (this.#issued !== undefined && (await this.#issued).until <= now) this.#issued = undefined
    this.#issued ??= this.#issue(now)
    return this.#issued
  }

  async #issue(now: Date): Promise<{ vcek: Uint8Array; ask: Uint8Array; ark: Uint8Array; until: Date }> {
    const { product } = this
    const [root, intermediate] = [amdName(`ARK-${product}`), amdName(`SEV-${product}`)]
    const validity = { notBefore: authorityNotBefore, notAfter: authorityNotAfter }
    const vcekStart = new Date(Math.floor(now.getTime() / day) * day - day)
    const vcekEnd = new Date(vcekStart.getTime() + vcekDays * day)
    const [ark, ask, vcek] = await Promise.all([
      issueCertificate({
        serialNumber: serialNumbers.ark,
        subject: root,
        issuer: root,
        subjectKey: this.#ark.spki,
        signer: this.#ark,
        ...validity,
        extensions: [...(await keyIdentifierExtensions(this.#ark.spki, this.#ark.spki)), ...authorityExtensions()],
      }),
      issueCertificate({
        serialNumber: serialNumbers.ask,
        subject: intermediate,
        issuer: root,
        subjectKey: this.#ask.spki,
        signer: this.#ark,
        ...validity,
        extensions: [...(await keyIdentifierExtensions(this.#ask.spki, this.#ark.spki)), ...authorityExtensions(0)],
      }),
      issueCertificate({
        serialNumber: serialNumbers.vcek,
        subject: amdName('SEV-VCEK'),
        issuer: intermediate,
        subjectKey: this.#vcek.spki,
        signer: this.#ask,
        notBefore: vcekStart,
        notAfter: vcekEnd,
        extensions: await this.#chipExtensions(),
      }),
    ])
    return { vcek, ask, ark, until: new Date(vcekEnd.getTime() - crlDays * day) }
  }

  async #chipExtensions(): Promise<Extension[]> {
    const { tcb } = this
    const version = (oid: string, value: number): Extension => ({ oid, value: integer(value) })
    return [
      version(amdOid.structVersion, 1),
      { oid: amdOid.productName, value: ia5String(this.product === 'Milan' ? 'Milan-B0' : 'Genoa') },
      version(amdOid.bootLoader, tcb.bootLoader),
      version(amdOid.tee, tcb.tee),
      version(amdOid.reserved4, 0),
      version(amdOid.reserved5, 0),
      version(amdOid.reserved6, 0),
      version(amdOid.reserved7, 0),
      version(amdOid.snp, tcb.snp),
      version(amdOid.microcode, tcb.microcode),
      { oid: amdOid.hardwareId, value: await this.hardwareId() },
    ]
  }

  /** A list is served for half of its validity, so that a client has two weeks to use it. */
  #revocationList(now: Date): Promise<Uint8Array> {
    if (this.#crl === undefined || this.#crl.renewAt <= now) {
      const thisUpdate = new Date(now.getTime() - 60 * 60 * 1000)
      const list = issueCrl({
        issuer: amdName(`ARK-${this.product}`),
        signer: this.#ark,
        number: BigInt(Math.floor(now.getTime() / 1000)),
        thisUpdate,
        nextUpdate: new Date(now.getTime() + crlDays * day),
      })
      this.#crl = { list, renewAt: new Date(now.getTime() + (crlDays * day) / 2) }
    }
    return this.#crl.list
  }
}
