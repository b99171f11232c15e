import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { concat, utf8 } from '../core/bytes/bytes.ts'
import { fromBase64Url } from '../core/bytes/base64.ts'
import { digest } from '../core/bytes/digest.ts'
import { fromHex } from '../core/bytes/hex.ts'
import { ParseError } from '../core/errors.ts'
import { attestTypes, parseTpmsAttest, tpmGenerated } from './attest.ts'
import { isAttestationKey, objectAttributes, parseTpm2bPublic, tpmName } from './public.ts'
import { verifyCertify, verifyNvCertify, verifyQuote } from './quote.ts'
import { parseTpmtSignature } from './signature.ts'

/** A small software TPM: one key, and quotes over any values. */
interface Tpm {
  akPublic: Uint8Array
  sign(message: Uint8Array, scheme?: 'rsassa' | 'rsapss', hash?: 'SHA-256' | 'SHA-1'): Promise<Uint8Array>
}

const attributes =
  objectAttributes.fixedTpm |
  objectAttributes.fixedParent |
  objectAttributes.sensitiveDataOrigin |
  objectAttributes.userWithAuth |
  objectAttributes.restricted |
  objectAttributes.sign

function rsaPublic(modulus: Uint8Array, keyAttributes: number): Uint8Array {
  const area = new ByteWriter()
    .u16be(0x0001)
    .u16be(0x000b)
    .u32be(keyAttributes)
    .u16be(0)
    .u16be(0x0010)
    .u16be(0x0014)
    .u16be(0x000b)
  const body = area
    .u16be(modulus.length * 8)
    .u32be(0)
    .u16be(modulus.length)
    .bytes(modulus)
    .finish()
  return new ByteWriter().u16be(body.length).bytes(body).finish()
}

async function rsaTpm(keyAttributes: number = attributes, bits = 2048): Promise<Tpm> {
  const parameters = { modulusLength: bits, publicExponent: Uint8Array.of(1, 0, 1) }
  const pair = await crypto.subtle.generateKey({ name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', ...parameters }, true, [
    'sign',
  ])
  const jwk = await crypto.subtle.exportKey('jwk', pair.privateKey)
  return {
    akPublic: rsaPublic(fromBase64Url(jwk.n ?? ''), keyAttributes),
    sign: async (message, scheme = 'rsassa', hash = 'SHA-256') => {
      const name = scheme === 'rsassa' ? 'RSASSA-PKCS1-v1_5' : 'RSA-PSS'
      const { kty, n, e, d, p, q, dp, dq, qi } = jwk
      const key = await crypto.subtle.importKey(
        'jwk',
        { kty, n, e, d, p, q, dp, dq, qi } as JsonWebKey,
        { name, hash },
        false,
        ['sign'],
      )
      const signature = new Uint8Array(
        await crypto.subtle.sign({ name, saltLength: 32 }, key, Uint8Array.from(message)),
      )
      const writer = new ByteWriter()
        .u16be(scheme === 'rsassa' ? 0x0014 : 0x0016)
        .u16be(hash === 'SHA-1' ? 0x0004 : 0x000b)
      return writer.u16be(signature.length).bytes(signature).finish()
    },
  }
}

const nonce = utf8('a nonce of the verifier')
const pcrs = new Map([
  [0, new Uint8Array(32).fill(1)],
  [7, new Uint8Array(32).fill(2)],
  [11, new Uint8Array(32).fill(3)],
])

interface AttestOptions {
  magic?: number
  type?: number
  extraData?: Uint8Array
  bank?: number
  selected?: number[]
  banks?: number
  tail?: Uint8Array
}

async function attest(o: AttestOptions = {}): Promise<Uint8Array> {
  const {
    magic = tpmGenerated,
    type = attestTypes.quote,
    extraData = nonce,
    bank = 0x000b,
    selected = [0, 7, 11],
    banks = 1,
  } = o
  const bitmap = new Uint8Array(3)
  for (const pcr of selected) bitmap[pcr >> 3] = (bitmap[pcr >> 3] ?? 0) | (1 << (pcr & 7))
  const writer = new ByteWriter().u32be(magic).u16be(type).u16be(34).zero(34).u16be(extraData.length).bytes(extraData)
  writer.u64be(1n).u32be(2).u32be(3).u8(1).u64be(4n)
  if (o.tail !== undefined) return writer.bytes(o.tail).finish()
  writer.u32be(banks)
  for (let at = 0; at < banks; at++)
    writer
      .u16be(at === 0 ? bank : 0x000c)
      .u8(3)
      .bytes(bitmap)
  const values = selected.map((pcr) => pcrs.get(pcr) ?? new Uint8Array(32))
  return writer
    .u16be(32)
    .bytes(await digest('SHA-256', concat(...values)))
    .finish()
}

let tpm: Tpm

beforeAll(async () => {
  tpm = await rsaTpm()
})

async function verify(
  o: AttestOptions = {},
  changed: { nonce?: Uint8Array; pcrs?: ReadonlyMap<number, Uint8Array>; bank?: 'sha1' | 'sha256' } = {},
): Promise<unknown> {
  const message = await attest(o)
  return verifyQuote({ message, signature: await tpm.sign(message), akPublic: tpm.akPublic, nonce, pcrs, ...changed })
}

describe('a TPM quote', () => {
  it('verifies with RSASSA and with RSAPSS and shows the registers', async () => {
    const message = await attest()
    for (const scheme of ['rsassa', 'rsapss'] as const) {
      const verified = await verifyQuote({
        message,
        signature: await tpm.sign(message, scheme),
        akPublic: tpm.akPublic,
        nonce,
        pcrs,
      })
      expect([...verified.pcrs]).toEqual([...pcrs])
      expect(verified.bank).toBe('sha256')
    }
  })

  it('verifies whatever the order in which its registers are shown', async () => {
    const shown = new Map([11, 0, 7].map((pcr) => [pcr, pcrs.get(pcr)!]))
    await expect(verify({}, { pcrs: shown })).resolves.toMatchObject({ pcrs })
  })

  it('verifies with ECDSA', async () => {
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])
    const point = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey))
    const area = new ByteWriter()
      .u16be(0x0023)
      .u16be(0x000b)
      .u32be(attributes)
      .u16be(0)
      .u16be(0x0010)
      .u16be(0x0018)
      .u16be(0x000b)
      .u16be(0x0003)
      .u16be(0x0010)
    const body = area.u16be(32).bytes(point.subarray(1, 33)).u16be(32).bytes(point.subarray(33)).finish()
    const message = await attest()
    const raw = new Uint8Array(
      await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, pair.privateKey, message as Uint8Array<ArrayBuffer>),
    )
    const signature = new ByteWriter()
      .u16be(0x0018)
      .u16be(0x000b)
      .u16be(32)
      .bytes(raw.subarray(0, 32))
      .u16be(32)
      .bytes(raw.subarray(32))
      .finish()
    const akPublic = new ByteWriter().u16be(body.length).bytes(body).finish()
    await expect(verifyQuote({ message, signature, akPublic, nonce, pcrs })).resolves.toBeDefined()
    signature[8] = (signature[8] ?? 0) ^ 1
    await expect(verifyQuote({ message, signature, akPublic, nonce, pcrs })).rejects.toMatchObject({
      code: 'TpmSignatureInvalid',
    })
  })

  it('is refused when the TPM did not make the message, or made another kind of it', async () => {
    await expect(verify({ magic: 0x12345678 })).rejects.toMatchObject({ code: 'TpmMagicInvalid' })
    await expect(verify({ type: attestTypes.certify })).rejects.toMatchObject({ code: 'TpmTypeMismatch' })
  })

  it('is refused with another nonce: longer, shorter, empty or changed', async () => {
    for (const wrong of [
      concat(nonce, nonce),
      nonce.subarray(1),
      new Uint8Array(),
      utf8('another nonce of verifier'),
    ]) {
      await expect(verify({}, { nonce: wrong })).rejects.toMatchObject({ code: 'NonceMismatch' })
    }
  })

  it('is refused when it selects no register, other registers, two banks or a bank that was not asked for', async () => {
    await expect(verify({ selected: [] }, { pcrs: new Map() })).rejects.toMatchObject({ code: 'PcrSelectionMismatch' })
    await expect(verify({ selected: [0, 7] })).rejects.toMatchObject({ code: 'PcrSelectionMismatch' })
    await expect(verify({}, { pcrs: new Map([...pcrs, [4, new Uint8Array(32)]]) })).rejects.toMatchObject({
      code: 'PcrSelectionMismatch',
    })
    await expect(verify({ banks: 2 })).rejects.toMatchObject({ code: 'PcrSelectionMismatch' })
    await expect(verify({ bank: 0x0004 })).rejects.toMatchObject({ code: 'PcrSelectionMismatch' })
    await expect(verify({ bank: 0x0004 }, { bank: 'sha1' })).rejects.toMatchObject({ code: 'PcrSelectionMismatch' })
  })

  it('is refused when a register differs, is of another length or two are exchanged', async () => {
    const one = new Uint8Array(32).fill(1)
    const two = new Uint8Array(32).fill(2)
    const three = new Uint8Array(32).fill(3)
    for (const wrong of [
      [one, two, one],
      [two, one, three],
      [concat(one, two), new Uint8Array(0), three],
    ]) {
      const shown = new Map([0, 7, 11].map((pcr, index) => [pcr, wrong[index] ?? new Uint8Array()]))
      await expect(verify({}, { pcrs: shown })).rejects.toMatchObject({ code: 'PcrDigestMismatch' })
    }
  })

  it('is refused under another key, a SHA-1 signature, or a key that signs what the TPM did not make', async () => {
    const message = await attest()
    const signature = await tpm.sign(message)
    const other = await rsaTpm()
    await expect(verifyQuote({ message, signature, akPublic: other.akPublic, nonce, pcrs })).rejects.toMatchObject({
      code: 'TpmSignatureInvalid',
    })
    await expect(
      verifyQuote({
        message,
        signature: await tpm.sign(message, 'rsassa', 'SHA-1'),
        akPublic: tpm.akPublic,
        nonce,
        pcrs,
      }),
    ).rejects.toMatchObject({ code: 'AlgorithmNotAllowed' })
    const loose = await rsaTpm(attributes & ~objectAttributes.restricted)
    expect(isAttestationKey(parseTpm2bPublic(loose.akPublic))).toBe(false)
    await expect(
      verifyQuote({ message, signature: await loose.sign(message), akPublic: loose.akPublic, nonce, pcrs }),
    ).rejects.toMatchObject({ code: 'TpmKeyNotAllowed' })
    const short = await rsaTpm(attributes, 1024)
    await expect(
      verifyQuote({ message, signature: await short.sign(message), akPublic: short.akPublic, nonce, pcrs }),
    ).rejects.toMatchObject({ code: 'TpmKeyNotAllowed' })
  })

  it('never verifies with one bit of the message changed', async () => {
    const message = await attest()
    const signature = await tpm.sign(message)
    await fc.assert(
      fc.asyncProperty(fc.nat(message.length * 8 - 1), async (bit) => {
        const changed = Uint8Array.from(message)
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7))
        await expect(
          verifyQuote({ message: changed, signature, akPublic: tpm.akPublic, nonce, pcrs }),
        ).rejects.toMatchObject({ code: 'TpmSignatureInvalid' })
      }),
      { numRuns: 50 },
    )
  })
})

describe('a TPM certificate of an object', () => {
  it('names that object and no other', async () => {
    const object = rsaPublic(new Uint8Array(256).fill(0xc3), attributes)
    const name = await tpmName(parseTpm2bPublic(object))
    const tail = new ByteWriter().u16be(name.length).bytes(name).u16be(34).zero(34).finish()
    const message = await attest({ type: attestTypes.certify, tail })
    const signed = { message, signature: await tpm.sign(message), akPublic: tpm.akPublic, nonce }
    await expect(verifyCertify({ ...signed, objectPublic: object })).resolves.toMatchObject({ type: 'certify' })
    const other = rsaPublic(new Uint8Array(256).fill(0xc5), attributes)
    await expect(verifyCertify({ ...signed, objectPublic: other })).rejects.toMatchObject({ code: 'BindingMismatch' })
    const quote = await attest()
    await expect(
      verifyCertify({ ...signed, message: quote, signature: await tpm.sign(quote), objectPublic: object }),
    ).rejects.toMatchObject({ code: 'TpmTypeMismatch' })
  })
})

describe('a TPM certificate of an NV index', () => {
  const index = { handle: 0x0140_0107, attributes: 0x6205_0001, bytes: 4 }
  /** TPM2B_NAME of `index`: TPMS_NV_PUBLIC under SHA-256. */
  const nameOf = async (area: string): Promise<Uint8Array> =>
    concat(Uint8Array.of(0, 0x0b), await digest('SHA-256', fromHex(area)))
  const certified = async (name: Uint8Array, offset = 0, content = utf8('1234')) => {
    const tail = new ByteWriter().u16be(name.length).bytes(name).u16be(offset).u16be(content.length).bytes(content)
    const message = await attest({ type: attestTypes.nv, tail: tail.finish() })
    return { message, signature: await tpm.sign(message), akPublic: tpm.akPublic, nonce, index }
  }
  const own = '01400107000b6205000100000004'

  it('has the whole content of that index and of no other', async () => {
    const name = await nameOf(own)
    const whole = await certified(name)
    expect((await verifyNvCertify(whole)).contents).toEqual(utf8('1234'))
    const other = { code: 'BindingMismatch' }
    // Another handle; attributes with authwrite; a policy; another size.
    for (const area of [
      own.replace('07', '08'),
      own.replace('0001', '0005'),
      own.replace('00000004', '0001ff0004'),
      own.replace(/4$/, '5'),
    ])
      await expect(verifyNvCertify(await certified(await nameOf(area))), area).rejects.toMatchObject(other)
    await expect(verifyNvCertify(await certified(name, 1))).rejects.toMatchObject(other)
    await expect(verifyNvCertify(await certified(name, 0, utf8('123')))).rejects.toMatchObject(other)
    await expect(verifyNvCertify({ ...whole, nonce: utf8('another') })).rejects.toMatchObject({ code: 'NonceMismatch' })
    await expect(verifyNvCertify({ ...whole, message: await attest() })).rejects.toMatchObject({
      code: 'TpmSignatureInvalid',
    })
  })
})

describe('structures of a TPM', () => {
  it('are read whole or refused as parse errors, whatever the bytes', async () => {
    const samples = [await attest(), tpm.akPublic, await tpm.sign(utf8('x'))]
    const parsers = [parseTpmsAttest, parseTpm2bPublic, parseTpmtSignature]
    fc.assert(
      fc.property(fc.nat(2), fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat(3), (kind, at, byte, cut) => {
        const sample = samples[kind] ?? new Uint8Array()
        const changed = Uint8Array.from(cut === 0 ? sample.subarray(0, at % sample.length) : sample)
        if (cut !== 0) changed[at % changed.length] = byte
        for (const parse of parsers) {
          try {
            parse(changed)
          } catch (error) {
            expect(error).toBeInstanceOf(ParseError)
          }
        }
      }),
      { numRuns: 500 },
    )
  })

  it('with bytes after their end are refused', async () => {
    expect(() => parseTpm2bPublic(concat(tpm.akPublic, Uint8Array.of(0)))).toThrow(ParseError)
    const message = await attest()
    expect(() => parseTpmsAttest(concat(message, Uint8Array.of(0)))).toThrow(ParseError)
  })
})
