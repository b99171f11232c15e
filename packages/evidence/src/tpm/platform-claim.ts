import { ByteReader } from '../core/bytes/byte-reader.ts'
import { hashAlgorithmById, type HashName } from '../eventlog/algorithms.ts'
import { ParseError } from '../core/errors.ts'
import { parseTpmtSignature, type TpmSignature } from './signature.ts'

/** 'TPLA', least significant byte first. */
const magic = 0x414c5054
const registers = 24

/** A quote with its registers, as Windows' NCryptCreateClaim writes it (NCRYPT_TPM_PLATFORM_ATTESTATION_STATEMENT). */
export interface PlatformClaim {
  bank: HashName
  signature: TpmSignature
  /** TPMT_SIGNATURE */
  signatureBytes: Uint8Array
  /** TPMS_ATTEST */
  quote: Uint8Array
  /** Values of all registers by number; a quote may select fewer. */
  pcrs: ReadonlyMap<number, Uint8Array>
}

/**
 * Reads a platform claim: magic, version, bank, three lengths, then TPMT_SIGNATURE, TPMS_ATTEST and the registers.
 * @throws ParseError
 * @example
 * import { ByteWriter, fromHex, parsePlatformClaim } from '@strongroom/evidence'
 *
 * const signature = fromHex('0014000b0100' + '03'.repeat(256))
 * const lengths = new ByteWriter().u32le(signature.length).u32le(4).u32le(24 * 32)
 * const claim = new ByteWriter().u32le(0x414c5054).u32le(1).u32le(0x0b).bytes(lengths.finish()).bytes(signature)
 * const { bank, pcrs } = parsePlatformClaim(claim.u32be(0xff544347).zero(24 * 32).finish())
 * bank // => 'sha256'
 * pcrs.size // => 24
 */
export function parsePlatformClaim(bytes: Uint8Array): PlatformClaim {
  const reader = new ByteReader(bytes, 'platform claim')
  const found = reader.u32le('magic')
  if (found !== magic) {
    throw new ParseError({
      code: 'WrongMagic',
      message: 'platform claim: is none',
      offset: 0,
      expected: '0x414c5054',
      found: `0x${found.toString(16)}`,
    })
  }
  reader.u32le('version')
  const id = reader.u32le('bank')
  const bank = hashAlgorithmById(id)
  if (bank === undefined) {
    throw new ParseError({
      code: 'UnknownType',
      message: 'platform claim: bank of an unknown hash',
      offset: 8,
      found: `0x${id.toString(16)}`,
    })
  }
  const lengths = [reader.u32le('signature length'), reader.u32le('quote length'), reader.u32le('register length')]
  const signatureBytes = reader.bytes(lengths[0]!, 'signature')
  const signature = parseTpmtSignature(signatureBytes)
  const quote = reader.bytes(lengths[1]!, 'quote')
  if (lengths[2] !== registers * bank.size) {
    throw new ParseError({
      code: 'WrongLength',
      message: 'platform claim: not the values of all registers',
      offset: 20,
      expected: String(registers * bank.size),
      found: String(lengths[2]),
    })
  }
  const pcrs = new Map<number, Uint8Array>()
  for (let pcr = 0; pcr < registers; pcr++) pcrs.set(pcr, reader.bytes(bank.size, `register ${pcr}`))
  reader.end()
  return { bank: bank.name, signature, signatureBytes, quote, pcrs }
}
