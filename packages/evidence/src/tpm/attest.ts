import { ByteReader } from '../core/bytes/byte-reader.ts'
import { ParseError } from '../core/errors.ts'
import { type PcrSelection, readPcrSelections } from './pcr-selection.ts'

/** TPM_GENERATED_VALUE: a restricted key signs it only over structures that the TPM made (TPM 2.0 part 2, section 6.2). */
export const tpmGenerated = 0xff544347

/** TPM_ST values of attestation structures (part 2, section 6.9). */
export const attestTypes = { certify: 0x8017, quote: 0x8018, time: 0x8019, creation: 0x801a, nv: 0x8014 } as const

interface AttestHeader {
  /** TPM2B_NAME of the signing key, algorithm first. */
  qualifiedSigner: Uint8Array
  /** The caller's data: the nonce. */
  extraData: Uint8Array
  clock: bigint
  resetCount: number
  restartCount: number
  /** True if the clock was never set back. */
  safe: boolean
  firmwareVersion: bigint
  raw: Uint8Array
}

export interface QuoteAttest extends AttestHeader {
  type: 'quote'
  pcrSelections: readonly PcrSelection[]
  /** Digest over the selected registers, by the hash of the signature scheme. */
  pcrDigest: Uint8Array
}

export interface CertifyAttest extends AttestHeader {
  type: 'certify'
  /** Name of the certified object. */
  name: Uint8Array
  qualifiedName: Uint8Array
}

export interface NvCertifyAttest extends AttestHeader {
  type: 'nv'
  indexName: Uint8Array
  offset: number
  contents: Uint8Array
}

export interface CreationAttest extends AttestHeader {
  type: 'creation'
  /** Name of the created object. */
  name: Uint8Array
  /** Digest of TPMS_CREATION_DATA. */
  creationHash: Uint8Array
}

export type TpmsAttest = QuoteAttest | CertifyAttest | NvCertifyAttest | CreationAttest

/**
 * Reads a TPMS_ATTEST (TPM 2.0 part 2, section 10.12.12) of a quote, a certified or created object, or a certified NV index.
 * @throws ParseError WrongMagic, UnknownType
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseTpmsAttest } from '@strongroom/evidence'
 *
 * const attest = parseTpmsAttest(await readFile('azure/quote.msg'))
 * attest.type // => 'quote'
 * new TextDecoder().decode(attest.extraData) // => 'challenge'
 */
export function parseTpmsAttest(bytes: Uint8Array): TpmsAttest {
  const reader = new ByteReader(bytes, 'TPMS_ATTEST')
  const magic = reader.u32be('magic')
  if (magic !== tpmGenerated) {
    throw new ParseError({
      code: 'WrongMagic',
      message: 'TPMS_ATTEST: not made by a TPM',
      offset: 0,
      expected: '0xff544347',
      found: `0x${magic.toString(16)}`,
    })
  }
  const type = reader.u16be('type')
  const header: AttestHeader = {
    qualifiedSigner: readSized(reader, 'qualified signer', 66),
    extraData: readSized(reader, 'extra data', 64),
    clock: reader.u64be('clock'),
    resetCount: reader.u32be('reset count'),
    restartCount: reader.u32be('restart count'),
    safe: readYesNo(reader, 'safe'),
    firmwareVersion: reader.u64be('firmware version'),
    raw: bytes,
  }
  let attest: TpmsAttest
  if (type === attestTypes.quote) {
    attest = {
      ...header,
      type: 'quote',
      pcrSelections: readPcrSelections(reader),
      pcrDigest: readSized(reader, 'PCR digest', 64),
    }
  } else if (type === attestTypes.certify) {
    attest = {
      ...header,
      type: 'certify',
      name: readSized(reader, 'name', 66),
      qualifiedName: readSized(reader, 'qualified name', 66),
    }
  } else if (type === attestTypes.creation) {
    attest = {
      ...header,
      type: 'creation',
      name: readSized(reader, 'object name', 66),
      creationHash: readSized(reader, 'creation hash', 64),
    }
  } else if (type === attestTypes.nv) {
    attest = {
      ...header,
      type: 'nv',
      indexName: readSized(reader, 'index name', 66),
      offset: reader.u16be('offset'),
      contents: readSized(reader, 'NV contents', 2048),
    }
  } else {
    throw new ParseError({
      code: 'UnknownType',
      message: 'TPMS_ATTEST: neither a quote nor a certificate',
      offset: 4,
      found: `0x${type.toString(16)}`,
    })
  }
  reader.end()
  return attest
}

/** TPM2B: a 16-bit length and that many bytes. */
export function readSized(reader: ByteReader, field: string, maximum: number): Uint8Array {
  const offset = reader.offset
  const size = reader.u16be(`${field} size`)
  if (size > maximum) {
    throw new ParseError({
      code: 'TooLarge',
      message: `${field} is longer than the TPM allows`,
      offset,
      expected: `at most ${maximum}`,
      found: String(size),
    })
  }
  return reader.bytes(size, field)
}

/** TPMI_YES_NO. */
function readYesNo(reader: ByteReader, field: string): boolean {
  const offset = reader.offset
  const value = reader.u8(field)
  if (value > 1)
    throw new ParseError({ code: 'InvalidValue', message: `${field} is neither 0 nor 1`, offset, found: String(value) })
  return value === 1
}
