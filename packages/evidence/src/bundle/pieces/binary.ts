import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { equal } from '../../core/bytes/bytes.ts'
import { ParseError } from '../../core/errors.ts'
import { svsmManifestGuid } from '../../svsm/manifest.ts'
import { intelQeVendorId } from '../../tdx/verify.ts'
import type { TpmSignature } from '../../tpm/signature.ts'
import type { BinaryKind, Piece } from './piece.ts'

/**
 * Identifies bytes by their marks alone, even if they are damaged further on: a damaged report must be refused as a
 * report, not skipped. Undefined if nothing fits.
 */
export function binaryKind(bytes: Uint8Array): BinaryKind | 'certificate' | 'tpm-public' | 'public-key' | undefined {
  if (bytes.length < 8) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const first = view.getUint32(0, false)
  if (first === 0x48434c41 || isHclReport(view)) return 'hcl-report'
  if (first === 0xff544347) return 'tpm-attest'
  if (bytes[0] === 0x30) return derKind(bytes)
  const cbor = cborKind(bytes, view)
  if (cbor !== undefined) return cbor
  if (equal(bytes.subarray(0, 16), svsmManifestGuid)) return 'svsm-manifest'
  if (isSnpReport(view)) return 'snp-report'
  if (isQuote(view)) return 'tdx-quote'
  if (isEventLog(view)) return 'event-log'
  if (isTpmPublic(view)) return 'tpm-public'
  if (isTpmSignature(view) || isLikeTpmSignature(view)) return 'tpm-signature'
  // No other evidence has these lengths; a text of such a length encodes something else.
  const ofLength = bytes.length === 1184 ? 'snp-report' : bytes.length === 1024 ? 'td-report' : undefined
  return ofLength === undefined || bytes.every(isTextByte) ? undefined : ofLength
}

const isTextByte = (byte: number): boolean => (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d)

/** The lengths and types of a paravisor's report agree, whatever its magic number. */
function isHclReport(view: DataView): boolean {
  if (view.byteLength < 1236) return false
  const [version, size, request] = [view.getUint32(4, true), view.getUint32(8, true), view.getUint32(12, true)]
  const [data, type, claims] = [view.getUint32(1216, true), view.getUint32(1224, true), view.getUint32(1232, true)]
  const lengths = size === 1216 + data && size <= view.byteLength && (data === 20 + claims || data === 24 + claims)
  return lengths && version <= 2 && request <= 3 && type <= 5
}

/** An SNP report has a valid version, VMPL and signature algorithm in the expected places. */
function isSnpReport(view: DataView): boolean {
  if (view.byteLength < 0x40) return false
  const version = view.getUint32(0, true)
  const [vmpl, algorithm] = [view.getUint32(0x30, true), view.getUint32(0x34, true)]
  // The exact length allows for one damaged mark.
  const marks = [version >= 1 && version <= 16, vmpl <= 3, algorithm === 1, (view.getUint32(8, true) & 0x20000) !== 0]
  const good = marks.filter(Boolean).length
  return good === 4 || (view.byteLength === 1184 && good >= 2)
}

/** Header of a quote by Intel's libraries: version, attestation key type, TEE type or the vendor. */
function isQuote(view: DataView): boolean {
  if (view.byteLength < 48) return false
  const [version, keyType, tee] = [view.getUint16(0, true), view.getUint16(2, true), view.getUint32(4, true)]
  // Nothing else has the id of Intel's quoting enclave here (DCAP, A.3.1, QE vendor id).
  if (equal(new Uint8Array(view.buffer, view.byteOffset + 12, 16), intelQeVendorId)) return true
  const vendor = view.getUint32(12, false) === 0x939a7233
  const marks = [version >= 3 && version <= 5, keyType === 2 || keyType === 3, tee === 0x81, vendor]
  return marks.filter(Boolean).length >= 3
}

const maximumEventType = 0x800000ff

/** First record of either format: a register that exists, a known kind of event, a length that fits. */
function isEventLog(view: DataView): boolean {
  if (view.byteLength < 32) return false
  const [register, type, size] = [view.getUint32(0, true), view.getUint32(4, true), view.getUint32(28, true)]
  const known = type <= 0x20 || (type >= 0x80000000 && type <= maximumEventType)
  return register <= 23 && known && size > 0 && size <= view.byteLength - 32
}

function isTpmPublic(view: DataView): boolean {
  const [size, type] = [view.getUint16(0, false), view.getUint16(2, false)]
  return size === view.byteLength - 2 && (type === 0x0001 || type === 0x0023)
}

export function isTpmSignature(view: DataView): boolean {
  if (view.byteLength < 8) return false
  const [scheme, hash, size] = [view.getUint16(0, false), view.getUint16(2, false), view.getUint16(4, false)]
  if (hash < 0x04 || hash > 0x12) return false
  if (scheme === 0x14 || scheme === 0x16) return size === view.byteLength - 6
  return scheme === 0x18 && size <= 66 && view.byteLength <= 8 + 2 * 66
}

/** One of its marks may be damaged: it must be refused as a signature, not skipped. Bare signatures have these lengths. */
function isLikeTpmSignature(view: DataView): boolean {
  if (view.byteLength < 64 || view.byteLength > 8 + 512 || [256, 384, 512].includes(view.byteLength)) return false
  const [scheme, hash, size] = [view.getUint16(0, false), view.getUint16(2, false), view.getUint16(4, false)]
  const marks = [[0x14, 0x16, 0x18].includes(scheme), hash >= 0x0b && hash <= 0x0d, size === view.byteLength - 6]
  return marks.filter(Boolean).length >= 2
}

/** COSE_Sign1 under ES384 alone, with or without its tag, is AWS's; a collection of two tokens has Arm's tag (399 or 907). */
function cborKind(bytes: Uint8Array, view: DataView): BinaryKind | undefined {
  const at = bytes[0] === 0xd2 ? 1 : 0
  if (equal(bytes.subarray(at, at + 6), Uint8Array.of(0x84, 0x44, 0xa1, 0x01, 0x38, 0x22))) return 'nitro-document'
  const tag = view.getUint16(1, false)
  return bytes[0] === 0xd9 && (tag === 399 || tag === 907) ? 'cca-token' : undefined
}

/** A certificate's signed part begins with its version or a serial number; a list's with version 2 and an algorithm. */
function derKind(bytes: Uint8Array): 'certificate' | 'crl' | 'public-key' | undefined {
  const inner = contentOffset(bytes, 0)
  const body = inner === undefined || bytes[inner] !== 0x30 ? undefined : contentOffset(bytes, inner)
  if (body === undefined) return undefined
  if (bytes[body] === 0xa0) return 'certificate'
  // A SubjectPublicKeyInfo begins with its algorithm's identifier (RFC 5280, 4.1).
  if (bytes[body] === 0x06) return 'public-key'
  if (bytes[body] !== 0x02) return undefined
  const isVersion = bytes[body + 1] === 1 && bytes[body + 2] === 1 && bytes[body + 3] === 0x30
  return isVersion ? 'crl' : undefined
}

/** Of an element within the first eight bytes; undefined for a length that no certificate has. */
function contentOffset(bytes: Uint8Array, at: number): number | undefined {
  const length = bytes[at + 1]!
  if (length === 0x80 || length > 0x84) return undefined
  return at + 2 + (length > 0x80 ? length - 0x80 : 0)
}

/** Signature, message and registers as Rust's bincode writes them (kinvolk's az-cvm-vtpm): each length as 64 bits. */
export function readBincodeQuote(name: string, bytes: Uint8Array): Piece | undefined {
  try {
    const reader = new ByteReader(bytes, 'bincode')
    const signature = reader.bytes(Number(reader.u64le('length')), 'signature')
    const message = reader.bytes(Number(reader.u64le('length')), 'message')
    if (message[0] !== 0xff || message[1] !== 0x54) return undefined
    const count = Number(reader.u64le('count'))
    if (count > 24) return undefined
    const pcrs = new Map(Array.from({ length: count }, (_, pcr) => [pcr, reader.bytes(32, 'register')]))
    reader.end()
    return { name, kind: 'tpm-quote', message, signature: bareSignature(signature), pcrs }
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}

/** Azure's vTPM signs by RSASSA with SHA-256; its tools store the signature alone. */
export function bareSignature(signature: Uint8Array): TpmSignature {
  return { scheme: 'rsassa', hash: 'sha256', signature }
}
