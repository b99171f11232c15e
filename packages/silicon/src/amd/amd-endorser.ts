import { ia5String, integer, authorityExtensions, type Extension, type NameAttributes } from '@strongroom/der'
import { amdOid, digest, encodeTcb, type SnpProduct, type TcbVersion } from '@strongroom/evidence'
import type { Clock } from '../clock.ts'
import { issueCertificate, keyIdentifierExtensions } from '../pki/certificate-writer.ts'
import { issueCrl } from '../pki/crl-writer.ts'
import { loadOrCreateKey, type KeyStore, type SigningKey } from '../pki/keys.ts'
import { toPem } from '../pki/pem-writer.ts'

/** Lines of processors that the simulation knows to be. */
export type SimulatedProduct = Extract<SnpProduct, 'Milan' | 'Genoa'>

/** What AMD's key distribution service would answer for the simulated chip. DER, and PEM where the service gives PEM. */
export interface AmdEndorsements {
  vcek: Uint8Array
  ask: Uint8Array
  ark: Uint8Array
  /** List of the root, as under `/vcek/v1/{product}/crl`. */
  crl: Uint8Array
  /** ASK then ARK, as under `/vcek/v1/{product}/cert_chain`. */
  chainPem: string
  vcekPem: string
  product: SimulatedProduct
  /** 64 bytes: the path of the chip at the service, in hexadecimal. */
  hardwareId: Uint8Array
  /** Versions that the VCEK is of. */
  tcb: TcbVersion
  /** The versions as the service's clients write them: 16 hexadecimal digits. */
  tcbm: string
}

const day = 24 * 60 * 60 * 1000
/** Validity of the root and the intermediate: fixed, so that a list from one start is of the same authority at the next. */
const authorityNotBefore = new Date('2020-01-01T00:00:00Z')
const authorityNotAfter = new Date('2049-12-31T23:59:59Z')
const vcekDays = 7 * 365
const crlDays = 30
const serialNumbers = { ark: 0x10000n, ask: 0x10001n, vcek: 0n } as const

/** The names that verifiers match are AMD's; the unit says in every certificate what it is not. */
export function amdName(commonName: string): NameAttributes {
  return [
    ['OU', 'Simulated: no protection from the host'],
    ['O', 'Strongroom simulated silicon'],
    ['CN', commonName],
  ]
}

/** Authority over the simulated chip. Certificates are made when first asked for and again when they come near their end. */
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

  /** Identity of the chip: follows from its key, so that it needs no keeping. */
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

  /** A list is handed out for half of its time, so that who fetches one has two weeks to use it. */
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
