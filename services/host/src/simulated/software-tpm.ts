import { createHash, generateKeyPair, sign, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { ByteWriter, objectAttributes, pcrPolicyDigest } from '@strongroom/evidence'

/** TPM 2.0 part 2: TPM_GENERATED, TPMI_ST_ATTEST, TPMI_ALG. */
const generated = 0xff544347
const statements = { certify: 0x8017, quote: 0x8018 } as const
const algorithms = { rsa: 0x0001, sha256: 0x000b, null: 0x0010, rsassa: 0x0014, rsaes: 0x0015 } as const
const { fixedTpm, fixedParent, sensitiveDataOrigin, restricted, sign: signs, decrypt } = objectAttributes
const origin = fixedTpm | fixedParent | sensitiveDataOrigin

const sized = (bytes: Uint8Array): Uint8Array => new ByteWriter().u16be(bytes.length).bytes(bytes).finish()
const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

export interface SignedStatement {
  /** TPMS_ATTEST */
  message: Uint8Array
  /** Bare RSA signature, as Azure's library sends it. */
  signature: Uint8Array
}

/**
 * Statements of a TPM that exists in software only, for tests of programs in confidential VMs: its keys protect nothing.
 * It never resets, and its clock advances with each statement.
 */
export class SoftwareTpm {
  readonly #key: KeyObject
  readonly #modulus: Uint8Array
  /** SubjectPublicKeyInfo of the attestation key. */
  readonly akSpki: Uint8Array
  readonly akJwk: { n: string; e: string }
  #clock = 1_000n

  private constructor(pair: { publicKey: KeyObject; privateKey: KeyObject }) {
    const { n = '', e = '' } = pair.publicKey.export({ format: 'jwk' })
    this.#key = pair.privateKey
    this.#modulus = Buffer.from(n, 'base64url')
    this.akSpki = pair.publicKey.export({ type: 'spki', format: 'der' })
    this.akJwk = { n, e }
  }

  static async make(): Promise<SoftwareTpm> {
    return new SoftwareTpm(await promisify(generateKeyPair)('rsa', { modulusLength: 2048 }))
  }

  /** TPM2B_PUBLIC of the attestation key. */
  get akPublic(): Uint8Array {
    const scheme = [algorithms.rsassa, algorithms.sha256]
    return publicArea({
      modulus: this.#modulus,
      attributes: origin | restricted | signs,
      policy: new Uint8Array(),
      scheme,
    })
  }

  /** TPM2B_PUBLIC of an encryption key that is bound to these registers. */
  async encryptionKey(modulus: Uint8Array, pcrs: ReadonlyMap<number, Uint8Array>): Promise<Uint8Array> {
    const policy = await pcrPolicyDigest(pcrs, 'sha256')
    return publicArea({ modulus, attributes: origin | decrypt, policy, scheme: [algorithms.rsaes] })
  }

  /** Of the registers, in ascending order. */
  quote(pcrs: ReadonlyMap<number, Uint8Array>): SignedStatement {
    const bitmap = new Uint8Array(3)
    for (const pcr of pcrs.keys()) bitmap[pcr >> 3]! |= 1 << (pcr & 7)
    const selection = new ByteWriter().u32be(1).u16be(algorithms.sha256).u8(bitmap.length).bytes(bitmap).finish()
    const digest = sha256(Buffer.concat([...pcrs.values()]))
    return this.#stated(statements.quote, [selection, sized(digest)])
  }

  /** @param object its TPM2B_PUBLIC */
  certify(object: Uint8Array): SignedStatement {
    const name = new ByteWriter()
      .u16be(algorithms.sha256)
      .bytes(sha256(object.subarray(2)))
      .finish()
    return this.#stated(statements.certify, [sized(name), sized(name)])
  }

  #stated(type: number, parts: readonly Uint8Array[]): SignedStatement {
    const [signer, nonce] = [sized(new Uint8Array(34)), sized(new Uint8Array())]
    const header = new ByteWriter().u32be(generated).u16be(type).bytes(signer).bytes(nonce)
    // Clock, reset count, restart count, whether the clock is safe; then the firmware's version.
    header
      .u64be(this.#clock++)
      .u32be(1)
      .u32be(1)
      .u8(1)
      .u64be(1n)
    for (const part of parts) header.bytes(part)
    const message = header.finish()
    return { message, signature: sign('sha256', message, this.#key) }
  }
}

/** TPM2B_PUBLIC of an RSA key of 2048 bits (part 2, section 12.2). */
function publicArea(o: {
  modulus: Uint8Array
  attributes: number
  policy: Uint8Array
  scheme: readonly number[]
}): Uint8Array {
  const area = new ByteWriter()
    .u16be(algorithms.rsa)
    .u16be(algorithms.sha256)
    .u32be(o.attributes)
    .bytes(sized(o.policy))
  area.u16be(algorithms.null)
  for (const part of o.scheme) area.u16be(part)
  return sized(area.u16be(2048).u32be(0).bytes(sized(o.modulus)).finish())
}
