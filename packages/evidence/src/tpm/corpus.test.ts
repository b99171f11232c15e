import { createPublicKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { ByteReader } from '../core/bytes/byte-reader.ts'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { utf8 } from '../core/bytes/bytes.ts'
import { fromHex } from '../core/bytes/hex.ts'
import { parseEventLog } from '../eventlog/event-log.ts'
import { verifyEventLog } from '../eventlog/replay.ts'
import { VerificationError } from '../core/errors.ts'
import { parseTpmsAttest } from './attest.ts'
import { tpmKeyFromJwk, type TpmPublicKey } from './public.ts'
import { verifyQuote } from './quote.ts'
import type { TpmSignature } from './signature.ts'
import { corpusDirectory, hasCorpus } from '../testing/corpus-directory.ts'

const corpus = `${corpusDirectory}/`
const challenge = utf8('challenge')

interface Quote {
  message: Uint8Array
  signature: TpmSignature
  pcrs: Map<number, Uint8Array>
}

const rsassa = (signature: Uint8Array): TpmSignature => ({ scheme: 'rsassa', hash: 'sha256', signature })

/** {signature, message, pcrs} as Rust's bincode writes them. */
function bincode(path: string): Quote {
  const reader = new ByteReader(readFileSync(corpus + path), 'bincode')
  const signature = reader.bytes(Number(reader.u64le('length')), 'signature')
  const message = reader.bytes(Number(reader.u64le('length')), 'message')
  const count = Number(reader.u64le('count'))
  const pcrs = new Map(Array.from({ length: count }, (_, pcr) => [pcr, reader.bytes(32, 'pcr')]))
  reader.end()
  return { signature: rsassa(signature), message, pcrs }
}

function json(path: string): Quote {
  const text = JSON.parse(readFileSync(corpus + path, 'utf8')) as { signature: string; message: string; pcrs: string[] }
  return {
    signature: rsassa(fromHex(text.signature)),
    message: fromHex(text.message),
    pcrs: new Map(text.pcrs.map((value, pcr) => [pcr, fromHex(value)])),
  }
}

function akOfHclReport(path: string): TpmPublicKey {
  const bytes = readFileSync(corpus + path)
  const claims = JSON.parse(bytes.subarray(1236, 1236 + bytes.readUInt32LE(0x4d0)).toString()) as {
    keys: { kid: string; kty: string; n: string; e: string }[]
  }
  return tpmKeyFromJwk(claims.keys.find((key) => key.kid === 'HCLAkPub') ?? {})
}

function akOfSpki(key: ReturnType<typeof createPublicKey>): TpmPublicKey {
  return tpmKeyFromJwk(key.export({ format: 'jwk' }))
}

const trustee = 'confidential-containers-trustee/'
const quotes: [string, () => Quote, () => TpmPublicKey][] = [
  [
    'kinvolk, bincode',
    () => bincode('kinvolk-azure-cvm-tooling/quote.bin'),
    () => akOfSpki(createPublicKey(readFileSync(`${corpus}kinvolk-azure-cvm-tooling/akpub.pem`))),
  ],
  [
    'Azure SNP, bincode',
    () => bincode(`${trustee}az-snp-vtpm/quote.bin`),
    () => akOfHclReport(`${trustee}az-snp-vtpm/hcl-report.bin`),
  ],
  [
    'Azure SNP, JSON',
    () => json(`${trustee}az-snp-vtpm/tpm-quote-v1.json`),
    () => akOfHclReport(`${trustee}az-snp-vtpm/hcl-report.bin`),
  ],
  [
    'Azure TDX, bincode',
    () => bincode(`${trustee}az-tdx-vtpm/quote.bin`),
    () => akOfHclReport(`${trustee}az-tdx-vtpm/hcl-report.bin`),
  ],
  [
    'Azure TDX, JSON',
    () => json(`${trustee}az-tdx-vtpm/tpm-quote-v1.json`),
    () => akOfHclReport(`${trustee}az-tdx-vtpm/hcl-report.bin`),
  ],
]

describe.skipIf(!hasCorpus)('quotes of real vTPMs', () => {
  it.each(quotes)('%s: verifies under the key of its hardware report', async (_name, quote, ak) => {
    const verified = await verifyQuote({ ...quote(), akPublic: ak(), nonce: challenge })
    expect(verified.bank).toBe('sha256')
    expect(verified.pcrs.size).toBe(24)
  })

  it.each(quotes)('%s: refuses another nonce, a changed register, message or signature', async (_name, load, ak) => {
    const attempt = (changed: Partial<Quote>, nonce = challenge): Promise<unknown> =>
      verifyQuote({ ...load(), ...changed, akPublic: ak(), nonce })
    const flipped = (bytes: Uint8Array, offset: number): Uint8Array =>
      bytes.map((byte, at) => (at === offset ? byte ^ 1 : byte))
    const { message, signature, pcrs } = load()
    if (signature.scheme === 'ecdsa') throw new TypeError('not RSA')
    await expect(attempt({}, utf8('egnellahc'))).rejects.toMatchObject({ code: 'NonceMismatch' })
    await expect(attempt({ message: flipped(message, 50) })).rejects.toMatchObject({ code: 'TpmSignatureInvalid' })
    await expect(attempt({ message: flipped(message, 121) })).rejects.toMatchObject({ code: 'TpmSignatureInvalid' })
    await expect(attempt({ signature: rsassa(flipped(signature.signature, 0)) })).rejects.toMatchObject({
      code: 'TpmSignatureInvalid',
    })
    await expect(
      attempt({ pcrs: new Map([...pcrs, [0, flipped(pcrs.get(0) ?? new Uint8Array(), 0)]]) }),
    ).rejects.toMatchObject({ code: 'PcrDigestMismatch' })
  })

  it('refuses the attestation key of another machine', async () => {
    const other = akOfHclReport(`${trustee}az-tdx-vtpm/hcl-report.bin`)
    await expect(
      verifyQuote({ ...json(`${trustee}az-snp-vtpm/tpm-quote-v1.json`), akPublic: other, nonce: challenge }),
    ).rejects.toMatchObject({ code: 'TpmSignatureInvalid' })
    const orphan = {
      message: readFileSync(`${corpus}${trustee}az-snp-vtpm/tpm-quote.msg`),
      signature: rsassa(readFileSync(`${corpus}${trustee}az-snp-vtpm/tpm-quote.sig`)),
    }
    const ak = akOfHclReport(`${trustee}az-snp-vtpm/hcl-report.bin`)
    await expect(verifyQuote({ ...orphan, pcrs: new Map(), akPublic: ak, nonce: challenge })).rejects.toMatchObject({
      code: 'TpmSignatureInvalid',
    })
  })

  it('reads the TPMT_SIGNATURE of an Azure TDX VM whose AK certificate Azure issued', async () => {
    const folder = `${corpus}Fraunhofer-AISEC-cmc/azure/`
    const certificate = new X509Certificate(readFileSync(`${folder}vtpm-ak-cert.der`))
    const message = readFileSync(`${folder}vtpm-quote.msg`)
    const attest = parseTpmsAttest(message)
    expect(attest.type === 'quote' && attest.pcrSelections).toEqual([{ bank: 'sha256', pcrs: [1] }])
    const o = {
      message,
      signature: readFileSync(`${folder}vtpm-quote.sig`),
      akPublic: akOfSpki(certificate.publicKey),
      nonce: new Uint8Array(32),
    }
    // The register's value was not recorded: everything but the digest verifies.
    await expect(verifyQuote({ ...o, pcrs: new Map([[1, new Uint8Array(32)]]) })).rejects.toMatchObject({
      code: 'PcrDigestMismatch',
    })
    await expect(
      verifyQuote({ ...o, nonce: new Uint8Array(31), pcrs: new Map([[1, new Uint8Array(32)]]) }),
    ).rejects.toMatchObject({ code: 'NonceMismatch' })
  })

  it('binds key, quote and log of a Google VM, and takes no bank but the one asked for', async () => {
    const fields = protobuf(readFileSync(`${corpus}google-go-tpm-tools/gce-cos-85-no-nonce.pb`))
    const area = fields.get(1)?.[0] ?? new Uint8Array()
    const akPublic = new ByteWriter().u16be(area.length).bytes(area).finish()
    const log = parseEventLog(fields.get(3)?.[0] ?? new Uint8Array())
    const outcomes: string[] = []
    for (const encoded of fields.get(2) ?? []) {
      const quote = protobuf(encoded)
      const values = protobuf(quote.get(3)?.[0] ?? new Uint8Array()).get(2) ?? []
      const pcrs = new Map(values.map((value) => protobufEntry(value)))
      const o = {
        message: quote.get(1)?.[0] ?? new Uint8Array(),
        signature: quote.get(2)?.[0] ?? new Uint8Array(),
        akPublic,
        nonce: new Uint8Array(),
        pcrs,
      }
      try {
        const verified = await verifyQuote(o)
        const measured = await verifyEventLog({ log, bank: verified.bank, registers: verified.pcrs })
        outcomes.push(`${verified.bank} with ${measured.registers.size} registers in the log`)
      } catch (error) {
        outcomes.push(error instanceof VerificationError ? error.code : String(error))
      }
    }
    expect(outcomes).toEqual(['PcrSelectionMismatch', 'sha256 with 10 registers in the log', 'PcrSelectionMismatch'])
  })
})

/** Length-delimited fields of a protobuf message by number; numbers are skipped. */
function protobuf(bytes: Uint8Array): Map<number, Uint8Array[]> {
  const fields = new Map<number, Uint8Array[]>()
  const reader = new ByteReader(bytes, 'protobuf')
  while (reader.remaining > 0) {
    const tag = varint(reader)
    if ((tag & 7) === 0) varint(reader)
    else fields.set(tag >> 3, [...(fields.get(tag >> 3) ?? []), reader.bytes(varint(reader), 'field')])
  }
  return fields
}

function protobufEntry(bytes: Uint8Array): [number, Uint8Array] {
  const reader = new ByteReader(bytes, 'map entry')
  let key = 0
  let value = new Uint8Array()
  while (reader.remaining > 0) {
    const tag = varint(reader)
    if (tag === 8) key = varint(reader)
    else value = Uint8Array.from(reader.bytes(varint(reader), 'value'))
  }
  return [key, value]
}

function varint(reader: ByteReader): number {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = reader.u8('varint')
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return value
  }
}
