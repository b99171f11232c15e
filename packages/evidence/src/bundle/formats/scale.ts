import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { startsWithText } from '../../eventlog/event-log.ts'
import { ParseError } from '../../core/errors.ts'
import { toHex } from '../../core/bytes/hex.ts'

/** Intel's collateral as Phala's dcap-qvl stores it (QuoteCollateralV3), in SCALE, the binary form of Polkadot. */
export interface ScaleCollateral {
  pckCrlIssuerChain: string
  rootCaCrl: Uint8Array
  pckCrl: Uint8Array
  tcbInfoIssuerChain: string
  /** As Intel sent it, body and signature together. */
  tcbInfo: string
  qeIdentityIssuerChain: string
  qeIdentity: string
  /** The platform's; only in later versions of the form. */
  pckCertificateChain: string | undefined
}

const begin = '-----BEGIN CERTIFICATE-----'

/** The first field is a PEM chain with its length in front. */
export function isScaleCollateral(bytes: Uint8Array): boolean {
  const width = [1, 2, 4][(bytes[0] ?? 3) & 3]
  return width !== undefined && startsWithText(bytes.subarray(width), begin)
}

/**
 * @throws ParseError Truncated, TrailingBytes, InvalidValue, InvalidEncoding, NotCanonical
 * @example
 * import { utf8 } from '@strongroom/evidence'
 * import { parseScaleCollateral } from '@strongroom/evidence/files'
 *
 * parseScaleCollateral(utf8('x')) // throws ParseError Truncated
 */
export function parseScaleCollateral(bytes: Uint8Array): ScaleCollateral {
  const reader = new ByteReader(bytes, 'SCALE collateral')
  const data = (field: string): Uint8Array => reader.bytes(readLength(reader, field), field)
  const text = (field: string): string => textOf(data(field), field)
  const signed = (member: string): string => {
    const body = text(member)
    return `{"${member}":${body},"signature":"${toHex(data(`${member} signature`))}"}`
  }
  const found = {
    pckCrlIssuerChain: text('PCK CRL issuer chain'),
    rootCaCrl: data('root CRL'),
    pckCrl: data('PCK CRL'),
    tcbInfoIssuerChain: text('TCB info issuer chain'),
    tcbInfo: signed('tcbInfo'),
    qeIdentityIssuerChain: text('QE identity issuer chain'),
    qeIdentity: signed('enclaveIdentity'),
  }
  const present = reader.remaining === 0 ? 0 : reader.u8('option')
  if (present > 1)
    throw new ParseError({ code: 'InvalidValue', message: 'SCALE collateral: option is neither 0 nor 1' })
  const pckCertificateChain = present === 1 ? text('PCK certificate chain') : undefined
  reader.end()
  return { ...found, pckCertificateChain }
}

/** A compact integer of up to 30 bits; the two lowest bits give its length in bytes. */
function readLength(reader: ByteReader, field: string): number {
  const { offset } = reader
  const first = reader.u8(field)
  const mode = first & 3
  const length =
    mode === 0
      ? first >>> 2
      : mode === 1
        ? (first >>> 2) + reader.u8(field) * 64
        : mode === 2
          ? (first >>> 2) + reader.u8(field) * 64 + reader.u16le(field) * 16_384
          : undefined
  if (length === undefined || (mode === 1 && length < 64) || (mode === 2 && length < 16_384)) {
    const code = length === undefined ? 'InvalidValue' : 'NotCanonical'
    throw new ParseError({ code, message: `SCALE collateral: impossible length of ${field}`, offset })
  }
  return length
}

function textOf(bytes: Uint8Array, field: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new ParseError({ code: 'InvalidEncoding', message: `SCALE collateral: ${field} is not text`, cause })
  }
}
