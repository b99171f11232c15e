import { ByteWriter, digest, fromHex, type TdReport, utf8 } from '@strongroom/evidence'
import { signRaw, type SigningKey } from '../pki/keys.ts'
import { toPem } from '../pki/pem-writer.ts'
import { platformTcb } from './platform-tcb.ts'

/** 939a7233-f79c-4ca9-940a-0db3957f0607: the format of Intel's quoting enclave. */
const vendorId = fromHex('939a7233f79c4ca9940a0db3957f0607')
const authenticationData = Uint8Array.from({ length: 32 }, (_, index) => index)

/** MRSIGNER of the simulated quoting enclave; Intel's differs. */
export function quotingEnclaveSigner(): Promise<Uint8Array> {
  return digest('SHA-256', utf8('Strongroom simulated enclave signer'))
}

/** Turns a TDREPORT of the platform's module into a TD quote of version 4, which anyone can verify. */
export class QuotingEnclave {
  readonly #attestation: SigningKey
  readonly #pck: SigningKey
  readonly #pckChainPem: string

  constructor(o: {
    attestation: SigningKey
    pck: SigningKey
    /** PCK, platform CA, root. */ pckChain: readonly Uint8Array[]
  }) {
    this.#attestation = o.attestation
    this.#pck = o.pck
    this.#pckChainPem = toPem(o.pckChain)
  }

  /** @param report of this platform: the caller has verified its MAC */
  async quote(report: TdReport): Promise<Uint8Array> {
    const { body } = report
    const header = new ByteWriter().u16le(4).u16le(2).u32le(0x81).zero(4).bytes(vendorId).zero(20).finish()
    const signed = new ByteWriter()
      .bytes(header)
      .bytes(body.teeTcbSvn)
      .bytes(body.mrSeam)
      .bytes(body.mrSignerSeam)
      .bytes(body.seamAttributes)
      .u64le(body.attributes)
      .u64le(body.xfam)
      .bytes(body.mrTd)
      .bytes(body.mrConfigId)
      .bytes(body.mrOwner)
      .bytes(body.mrOwnerConfig)
    for (const rtmr of body.rtmrs) signed.bytes(rtmr)
    const signedBytes = signed.bytes(body.reportData).finish()
    const attestationKey = pointOf(this.#attestation.spki)
    const qeReport = await this.#qeReport(attestationKey)
    const pem = utf8(this.#pckChainPem)
    const certification = new ByteWriter()
      .bytes(qeReport)
      .bytes(await signRaw(this.#pck, qeReport))
      .u16le(authenticationData.length)
      .bytes(authenticationData)
      .u16le(5)
      .u32le(pem.length)
      .bytes(pem)
      .finish()
    const signature = new ByteWriter()
      .bytes(await signRaw(this.#attestation, signedBytes))
      .bytes(attestationKey)
      .u16le(6)
      .u32le(certification.length)
      .bytes(certification)
      .finish()
    return new ByteWriter().bytes(signedBytes).u32le(signature.length).bytes(signature).finish()
  }

  async #qeReport(attestationKey: Uint8Array): Promise<Uint8Array> {
    return new ByteWriter()
      .bytes(platformTcb.cpuSvn)
      .zero(4 + 28)
      .bytes(platformTcb.qeAttributes)
      .bytes(await digest('SHA-256', utf8('Strongroom simulated quoting enclave')))
      .zero(32)
      .bytes(await quotingEnclaveSigner())
      .zero(96)
      .u16le(platformTcb.qeIsvProdId)
      .u16le(platformTcb.qeIsvSvn)
      .zero(60)
      .bytes(await digest('SHA-256', attestationKey, authenticationData))
      .zero(32)
      .finish()
  }
}

/** x and y of a P-256 key: the last 64 bytes of its SubjectPublicKeyInfo. */
function pointOf(spki: Uint8Array): Uint8Array {
  return spki.subarray(spki.length - 64)
}
