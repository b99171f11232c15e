import { ia5String, integer, authorityExtensions, type Extension, type NameAttributes } from '@strongroom/der'
import { amdOid, digest, encodeTcb, reversed, toHex, type TcbVersion, type TrustAnchors } from '@strongroom/evidence'
import { SimulatedSecureProcessor } from '../../../packages/silicon/src/amd/simulated-secure-processor.ts'
import { issueCertificate, keyIdentifierExtensions } from '../../../packages/silicon/src/pki/certificate-writer.ts'
import { issueCrl } from '../../../packages/silicon/src/pki/crl-writer.ts'
import { loadOrCreateKey, signRaw, type SigningKey } from '../../../packages/silicon/src/pki/keys.ts'
import { toPem } from '../../../packages/silicon/src/pki/pem-writer.ts'
import { memoryKeyStore, tinyFirmware } from '../../../packages/silicon/src/testing.ts'

/** Leaf, intermediate and root, DER. */
export interface ForgedChain {
  vcek: Uint8Array
  ask: Uint8Array
  ark: Uint8Array
}

/** A chain's content; default: AMD's own for a Milan chip. */
export interface ChainChanges {
  /** Line in the names of root and intermediate. */
  line?: string
  /** In the leaf's extension. */
  productName?: string
  /** Kind of the leaf: a chip's key or a provider's. */
  signer?: 'VCEK' | 'VLEK'
  /** Name of the intermediate, if not that of line and signer. */
  intermediate?: string
  tcb?: Partial<TcbVersion>
  hardwareId?: Uint8Array
  providerId?: string
  /** Version of the microcontrollers' firmware, as in lines from Turin on. */
  fmc?: number
}

const day = 86_400_000
const serial = { ark: 1n, ask: 2n, vcek: 3n } as const
const name = (commonName: string): NameAttributes => [
  ['O', 'Forged'],
  ['CN', commonName],
]

/** Offsets of a report's fields (AMD 56860, ATTESTATION_REPORT). */
export const at = {
  guestSvn: 0x04,
  policy: 0x08,
  vmpl: 0x30,
  currentTcb: 0x38,
  platformInfo: 0x40,
  keyFlags: 0x48,
  reportData: 0x50,
  measurement: 0x90,
  idKeyDigest: 0xe0,
  authorKeyDigest: 0x110,
  reportId: 0x140,
  reportIdMa: 0x160,
  reportedTcb: 0x180,
  cpu: 0x188,
  chipId: 0x1a0,
  committedTcb: 0x1e0,
  launchTcb: 0x1f0,
  signature: 0x2a0,
} as const

/** Security versions of the processor whose reports are changed. */
export const tcb: TcbVersion = { fmc: 0, bootLoader: 4, tee: 0, snp: 29, microcode: 222 }
export const rawTcb = (changes: Partial<TcbVersion> = {}, line: 'Milan' | 'Turin' = 'Milan'): bigint =>
  encodeTcb({ ...tcb, ...changes }, line)

/** An authority with AMD's names and all its keys: it signs anything, as nobody outside AMD could. */
export class AmdAuthority {
  readonly anchors: TrustAnchors
  readonly #processor: SimulatedSecureProcessor
  readonly #keys: Record<keyof typeof serial, SigningKey>
  readonly #now: Date

  private constructor(o: {
    anchors: TrustAnchors
    processor: SimulatedSecureProcessor
    keys: Record<keyof typeof serial, SigningKey>
    now: Date
  }) {
    this.anchors = o.anchors
    this.#processor = o.processor
    this.#keys = o.keys
    this.#now = o.now
  }

  static async open(now: Date = new Date()): Promise<AmdAuthority> {
    const store = memoryKeyStore()
    const processor = await SimulatedSecureProcessor.open({ keys: store, clock: { now: () => now } })
    const key = (each: string, scheme: 'rsa-pss-sha384' | 'ecdsa-p384-sha384'): Promise<SigningKey> =>
      loadOrCreateKey(store, `simulated-amd-${each}`, scheme)
    const keys = {
      ark: await key('ark', 'rsa-pss-sha384'),
      ask: await key('ask', 'rsa-pss-sha384'),
      vcek: await key('vcek', 'ecdsa-p384-sha384'),
    }
    const pin = toHex(await digest('SHA-256', keys.ark.spki))
    const anchors = { simulated: true, amd: [{ name: 'forged', spkiSha256: pin }], intel: [] }
    return new AmdAuthority({ anchors, processor, keys, now })
  }

  /** Identity of the signing chip. */
  hardwareId(): Promise<Uint8Array> {
    return digest('SHA-512', this.#keys.vcek.spki)
  }

  async chain(o: ChainChanges = {}): Promise<ForgedChain> {
    const { line = 'Milan', signer = 'VCEK' } = o
    const root = name(`ARK-${line}`)
    const intermediate = name(o.intermediate ?? (signer === 'VCEK' ? `SEV-${line}` : `SEV-VLEK-${line}`))
    const issue = async (
      which: keyof typeof serial,
      issuer: keyof typeof serial,
      subject: NameAttributes,
      issuerName: NameAttributes,
      extensions: readonly Extension[],
    ): Promise<Uint8Array> =>
      issueCertificate({
        serialNumber: serial[which],
        subject,
        issuer: issuerName,
        subjectKey: this.#keys[which].spki,
        signer: this.#keys[issuer],
        notBefore: new Date(this.#now.getTime() - day),
        notAfter: new Date(this.#now.getTime() + 365 * day),
        extensions,
      })
    const authority = async (which: 'ark' | 'ask', length?: number): Promise<Extension[]> => [
      ...(await keyIdentifierExtensions(this.#keys[which].spki, this.#keys.ark.spki)),
      ...authorityExtensions(length),
    ]
    return {
      ark: await issue('ark', 'ark', root, root, await authority('ark')),
      ask: await issue('ask', 'ark', intermediate, root, await authority('ask', 0)),
      vcek: await issue('vcek', 'ask', name(`SEV-${signer}`), intermediate, await this.#endorsement(o)),
    }
  }

  async #endorsement(o: ChainChanges): Promise<Extension[]> {
    const versions = { ...tcb, ...o.tcb }
    const version = (oid: string, value: number): Extension => ({ oid, value: integer(value) })
    return [
      version(amdOid.structVersion, 1),
      { oid: amdOid.productName, value: ia5String(o.productName ?? 'Milan-B0') },
      version(amdOid.bootLoader, versions.bootLoader),
      version(amdOid.tee, versions.tee),
      version(amdOid.snp, versions.snp),
      version(amdOid.microcode, versions.microcode),
      ...(o.fmc === undefined ? [] : [version(amdOid.fmc, o.fmc)]),
      o.signer === 'VLEK'
        ? { oid: amdOid.providerId, value: ia5String(o.providerId ?? 'strongroom') }
        : { oid: amdOid.hardwareId, value: o.hardwareId ?? (await this.hardwareId()) },
    ]
  }

  /** List of the root, valid from now for a month; `revoked` is its content. */
  crl(
    o: { revoked?: (keyof typeof serial)[]; thisUpdate?: Date; nextUpdate?: Date; line?: string } = {},
  ): Promise<Uint8Array> {
    return issueCrl({
      issuer: name(`ARK-${o.line ?? 'Milan'}`),
      signer: this.#keys.ark,
      number: 7n,
      thisUpdate: o.thisUpdate ?? new Date(this.#now.getTime() - day),
      nextUpdate: o.nextUpdate ?? new Date(this.#now.getTime() + 30 * day),
      revoked: (o.revoked ?? []).map((each) => ({ serialNumber: serial[each], date: this.#now })),
    })
  }

  /** A processor's report, changed, and signed again by the chip. */
  async report(change: (bytes: Uint8Array, view: DataView) => void = () => {}): Promise<Uint8Array> {
    const start = { firmware: tinyFirmware(), vCPUs: 1, vcpuType: 'EPYC-Milan' }
    const bytes = await (await this.#processor.launch(start)).report(new Uint8Array(64))
    change(bytes, new DataView(bytes.buffer, bytes.byteOffset))
    const signature = await signRaw(this.#keys.vcek, bytes.subarray(0, at.signature))
    bytes.set(reversed(signature.subarray(0, 48)), at.signature)
    bytes.set(reversed(signature.subarray(48)), at.signature + 72)
    return bytes
  }
}

export const pemOf = ({ vcek, ask, ark }: ForgedChain): string => toPem([vcek, ask, ark])
