import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { fromBase64Url } from '../core/bytes/base64.ts'
import { concat, utf8 } from '../core/bytes/bytes.ts'
import { tpmGenerated } from '../tpm/attest.ts'
import { objectAttributes } from '../tpm/public.ts'

const o = objectAttributes
/** For a key that signs only what its TPM made (TPM 2.0 part 2, 8.3). */
const attestationAttributes: number =
  o.fixedTpm | o.fixedParent | o.sensitiveDataOrigin | o.userWithAuth | o.restricted | o.sign

const sized = (bytes: Uint8Array): Uint8Array => new ByteWriter().u16be(bytes.length).bytes(bytes).finish()
const sha256 = (...parts: Uint8Array[]): Uint8Array =>
  new Uint8Array(
    createHash('sha256')
      .update(concat(...parts))
      .digest(),
  )

/** A TPM with one P-256 attestation key, which is created in a millisecond and signs whatever it is given. */
export class SoftwareTpm {
  readonly #pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })

  get jwk(): { kty: string; crv: string; x: string; y: string } {
    return this.#pair.publicKey.export({ format: 'jwk' }) as { kty: string; crv: string; x: string; y: string }
  }

  /** TPM2B_PUBLIC. */
  akPublic(attributes: number = attestationAttributes): Uint8Array {
    const { x, y } = this.jwk
    const area = new ByteWriter().u16be(0x23).u16be(0x0b).u32be(attributes).u16be(0).u16be(0x10).u16be(0x18).u16be(0x0b)
    area.u16be(3).u16be(0x10)
    return sized(
      area
        .bytes(sized(fromBase64Url(x)))
        .bytes(sized(fromBase64Url(y)))
        .finish(),
    )
  }

  /** TPMT_SIGNATURE: ECDSA with SHA-256. */
  sign(message: Uint8Array): Uint8Array {
    const raw = new Uint8Array(sign('sha256', message, { key: this.#pair.privateKey, dsaEncoding: 'ieee-p1363' }))
    return new ByteWriter()
      .u16be(0x18)
      .u16be(0x0b)
      .bytes(sized(raw.subarray(0, 32)))
      .bytes(sized(raw.subarray(32)))
      .finish()
  }
}

/** TPMS_CLOCK_INFO. */
export interface TestClock {
  clock?: bigint
  resets?: number
  restarts?: number
  safe?: boolean
}

const attest = (
  type: number,
  extraData: Uint8Array,
  tail: Uint8Array,
  { magic = tpmGenerated, clock = 1n, resets = 2, restarts = 3, safe = true }: TestClock & { magic?: number } = {},
): Uint8Array =>
  new ByteWriter()
    .u32be(magic)
    .u16be(type)
    .bytes(sized(new Uint8Array(34)))
    .bytes(sized(extraData))
    .u64be(clock)
    .u32be(resets)
    .u32be(restarts)
    .u8(safe ? 1 : 0)
    .u64be(4n)
    .bytes(tail)
    .finish()

/** TPMS_ATTEST of a quote over these registers of the SHA-256 bank. */
export function quoteMessage(
  pcrs: ReadonlyMap<number, Uint8Array>,
  changes: TestClock & { nonce?: Uint8Array; magic?: number; type?: number } = {},
): Uint8Array {
  const bitmap = new Uint8Array(3)
  for (const pcr of pcrs.keys()) bitmap[pcr >> 3]! |= 1 << (pcr & 7)
  const values = [...pcrs].toSorted(([left], [right]) => left - right).map(([, value]) => value)
  const tail = new ByteWriter()
    .u32be(1)
    .u16be(0x0b)
    .u8(3)
    .bytes(bitmap)
    .bytes(sized(sha256(...values)))
  return attest(changes.type ?? 0x8018, changes.nonce ?? utf8('challenge'), tail.finish(), changes)
}

/** TPMS_ATTEST for the creation of an object with this name. */
export const creationMessage = (name: Uint8Array): Uint8Array =>
  attest(0x801a, utf8('challenge'), concat(sized(name), sized(new Uint8Array(32))))

/** A crypto-agile PC firmware log with one bank, each record over its data, and the resulting registers. */
export function measuredLog(
  records: readonly (readonly [register: number, type: number, data: Uint8Array])[],
  bank: 'sha256' | 'sha384' = 'sha256',
): { log: Uint8Array; pcrs: Map<number, Uint8Array> } {
  const [algorithm, size] = bank === 'sha256' ? [0x0b, 32] : [0x0c, 48]
  const hash = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash(bank).update(bytes).digest())
  const spec = new ByteWriter().bytes(utf8('Spec ID Event03\0')).u32le(0).u8(0).u8(2).u8(0).u8(2)
  const header = spec.u32le(1).u16le(algorithm).u16le(size).u8(0).finish()
  const log = new ByteWriter().u32le(0).u32le(3).zero(20).u32le(header.length).bytes(header)
  const pcrs = new Map<number, Uint8Array>()
  for (const [register, type, data] of records) {
    const digest = hash(data)
    pcrs.set(register, hash(concat(pcrs.get(register) ?? new Uint8Array(size), digest)))
    log.u32le(register).u32le(type).u32le(1).u16le(algorithm).bytes(digest).u32le(data.length).bytes(data)
  }
  return { log: log.finish(), pcrs }
}
