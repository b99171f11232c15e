import { ByteReader } from '../core/bytes/byte-reader.ts'
import { ParseError } from '../core/errors.ts'
import { parsePemChain } from '../x509/pem.ts'
import { type QeReport, readQeReport } from './qe-report.ts'
import { readTdBody, type TdBody, tdBodySize } from './td-body.ts'

/** TD quote of version 4 or 5 with an ECDSA P-256 attestation key (Intel TDX DCAP quote generation library, appendix A). */
export interface TdxQuote {
  version: 4 | 5
  /** 16 bytes. */
  qeVendorId: Uint8Array
  /** 20 bytes of the quoting enclave. */
  userData: Uint8Array
  tdxVersion: '1.0' | '1.5'
  body: TdBody
  /** Header and body: what the attestation key signed. */
  signed: Uint8Array
  /** r and s, 32 bytes each. */
  signature: Uint8Array
  /** x and y, 32 bytes each. */
  attestationKey: Uint8Array
  qeReport: QeReport
  /** By the PCK over the QE report. */
  qeReportSignature: Uint8Array
  qeAuthenticationData: Uint8Array
  certification: Certification
  /** The whole structure without trailing bytes. */
  raw: Uint8Array
  /** Bytes after the structure: quote providers return a padded buffer. They are unsigned and ignored. */
  trailing: Uint8Array
}

/** How the quote names its PCK certificate. */
type Certification =
  | { type: 'pckChain'; /** DER, leaf first. */ chain: readonly Uint8Array[] }
  /** PPID in clear or encrypted (types 1 to 3): the certificate must be fetched elsewhere. */
  | { type: 'ppid'; kind: 1 | 2 | 3; ppid: Uint8Array; cpuSvn: Uint8Array; pceSvn: number; pceId: Uint8Array }

const headerSize = 48
const ecdsaP256 = 2
const tdxTeeType = 0x81
/** The largest quote that a provider returns is about 8 KiB; this bounds length fields. */
const maximumSize = 64 * 1024

/**
 * Reads a TD quote.
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseTdxQuote, toHex } from '@strongroom/evidence'
 *
 * const quote = parseTdxQuote(await readFile('quote.bin'))
 * quote.version // => 4
 * quote.certification.type // => 'pckChain'
 * toHex(quote.body.mrTd).slice(0, 16) // => '91eb2b44d141d4ec'
 */
export function parseTdxQuote(bytes: Uint8Array): TdxQuote {
  if (bytes.length > maximumSize) {
    throw new ParseError({
      code: 'TooLarge',
      message: 'TD quote is too large',
      expected: `at most ${maximumSize}`,
      found: String(bytes.length),
    })
  }
  const reader = new ByteReader(bytes, 'TD quote')
  const version = reader.u16le('version')
  if (version === 3 || (version <= 5 && isSgx(bytes))) {
    const facts = { expected: 'a quote of a TD, version 4 or 5', found: `SGX, version ${version}` }
    const message =
      'This is a quote of an SGX enclave, not of a confidential VM; Intel’s quote verification library judges it'
    throw new ParseError({ code: version === 3 ? 'UnknownVersion' : 'UnknownType', message, ...facts })
  }
  if (version !== 4 && version !== 5) {
    throw new ParseError({
      code: 'UnknownVersion',
      message: 'TD quote: unknown version',
      offset: 0,
      expected: '4 or 5',
      found: String(version),
    })
  }
  requireValue(reader, reader.u16le('attestation key type'), ecdsaP256, 'attestation key type')
  requireValue(reader, reader.u32le('TEE type'), tdxTeeType, 'TEE type')
  // QE SVN and PCE SVN in SGX version 4, reserved for TDX; old quoting enclaves leave unused values there.
  reader.bytes(4, 'reserved')
  const qeVendorId = reader.bytes(16, 'QE vendor id')
  const userData = reader.bytes(20, 'user data')
  let tdxVersion: '1.0' | '1.5' = '1.0'
  if (version === 5) {
    const bodyType = reader.u16le('body type')
    if (bodyType !== 2 && bodyType !== 3) {
      throw new ParseError({
        code: 'UnknownType',
        message: 'TD quote: body is not that of a TD',
        offset: headerSize,
        expected: '2 or 3',
        found: String(bodyType),
      })
    }
    tdxVersion = bodyType === 2 ? '1.0' : '1.5'
    requireValue(reader, reader.u32le('body size'), tdBodySize[tdxVersion], 'body size')
  }
  const body = readTdBody(reader, tdxVersion)
  const signed = bytes.subarray(0, reader.position)
  const signatureLength = reader.u32le('signature data length')
  const data = reader.structure(signatureLength, 'quote signature data')
  const raw = bytes.subarray(0, reader.position)
  const signature = data.bytes(64, 'quote signature')
  const attestationKey = data.bytes(64, 'attestation key')
  requireValue(data, data.u16le('certification data type'), 6, 'certification data type')
  const qe = data.structure(data.u32le('certification data size'), 'QE report certification data')
  data.end()
  const qeReport = readQeReport(qe)
  const qeReportSignature = qe.bytes(64, 'QE report signature')
  const qeAuthenticationData = qe.bytes(qe.u16le('QE authentication data size'), 'QE authentication data')
  const kind = qe.u16le('PCK certification data type')
  const inner = qe.structure(qe.u32le('PCK certification data size'), 'PCK certification data')
  qe.end()
  const certification = readCertification(inner, kind)
  return {
    version,
    qeVendorId,
    userData,
    tdxVersion,
    body,
    signed,
    signature,
    attestationKey,
    qeReport,
    qeReportSignature,
    qeAuthenticationData,
    certification,
    raw,
    trailing: reader.rest(),
  }
}

function readCertification(reader: ByteReader, kind: number): Certification {
  if (kind === 5) {
    const offset = reader.offset
    const text = reader.rest()
    return { type: 'pckChain', chain: parsePemChain(asciiText(text, offset)) }
  }
  if (kind === 1 || kind === 2 || kind === 3) {
    // PPID in clear, or under RSA-2048 or RSA-3072 OAEP.
    const size = kind === 1 ? 16 : kind === 2 ? 256 : 384
    const ppid = reader.bytes(size, 'PPID')
    const cpuSvn = reader.bytes(16, 'CPUSVN')
    const pceSvn = reader.u16le('PCESVN')
    const pceId = reader.bytes(2, 'PCE id')
    if (kind === 1) reader.zero(reader.remaining, 'padding')
    reader.end()
    return { type: 'ppid', kind, ppid, cpuSvn, pceSvn, pceId }
  }
  throw new ParseError({
    code: 'UnknownType',
    message: 'TD quote: certification data of a type that is not used',
    offset: reader.offset,
    expected: '1, 2, 3 or 5',
    found: String(kind),
  })
}

const latin1 = new TextDecoder('latin1')

/** PEM text; some providers append a NUL. */
function asciiText(bytes: Uint8Array, offset: number): string {
  const end = bytes.at(-1) === 0 ? bytes.length - 1 : bytes.length
  for (let at = 0; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte > 0x7e || (byte < 0x20 && byte !== 0x0a && byte !== 0x0d)) {
      throw new ParseError({
        code: 'InvalidEncoding',
        message: 'TD quote: certificate chain is not text',
        offset: offset + at,
      })
    }
  }
  return latin1.decode(bytes.subarray(0, end))
}

function requireValue(reader: ByteReader, found: number, expected: number, field: string): void {
  if (found === expected) return
  throw new ParseError({
    code: 'UnknownType',
    message: `TD quote: ${field} is another`,
    offset: reader.offset,
    expected: String(expected),
    found: String(found),
  })
}

/** TEE type 0 of version 4, body type 1 of version 5 (DCAP, A.3 and A.4). */
function isSgx(bytes: Uint8Array): boolean {
  if (bytes.length < headerSize + 2) return false
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return view.getUint16(0, true) === 4 ? view.getUint32(4, true) === 0 : view.getUint16(headerSize, true) === 1
}
