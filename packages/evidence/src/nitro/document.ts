import { type CborMap, type CborValue, parseCbor } from '../cbor/cbor.ts'
import { type CoseSign1, mapOf, readCoseSign1 } from '../cbor/cose-sign1.ts'
import { ParseError } from '../core/errors.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'

/**
 * Root of AWS's Nitro attestation PKI, G1, by its key; the certificate's SHA-256 is in AWS's guide ("Verifying the root of trust").
 * @example
 * import { genuineAwsAnchors } from '@strongroom/evidence/files'
 *
 * genuineAwsAnchors.map(({ name }) => name) // => ['aws.nitro-enclaves']
 */
export const genuineAwsAnchors: readonly TrustAnchor[] = [
  { name: 'aws.nitro-enclaves', spkiSha256: 'f2caf5ecc6190b4a8399b78bc58a2bbcd0382375db8a1bfd78a82743874fd225' },
]

/** Attestation document of an AWS Nitro enclave, or of an instance with NitroTPM (AWS guides, "attestation document"). */
export interface NitroDocument {
  sign1: CoseSign1
  /** Whose registers: `pcrs` of an enclave, `nitrotpm_pcrs` of an instance. */
  kind: 'enclave' | 'instance'
  moduleId: string
  timestamp: Date
  digest: 'SHA384'
  /** 48 bytes each, by number. */
  pcrs: ReadonlyMap<number, Uint8Array>
  /** DER of the key that signed. */
  certificate: Uint8Array
  /** DER of its issuers, root first. */
  cabundle: readonly Uint8Array[]
  publicKey: Uint8Array | undefined
  userData: Uint8Array | undefined
  nonce: Uint8Array | undefined
}

const maximumLength = 32 * 1024
const known: ReadonlySet<string> = new Set(
  'module_id timestamp digest pcrs nitrotpm_pcrs certificate cabundle public_key user_data nonce'.split(' '),
)

/**
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseNitroDocument } from '@strongroom/evidence/files'
 *
 * const { kind, moduleId, pcrs } = parseNitroDocument(await readFile('nitro.cbor'))
 * kind // => 'enclave'
 * moduleId // => 'i-1-enc2'
 * Array.from(pcrs.keys()) // => [0, 1, 2]
 */
export function parseNitroDocument(bytes: Uint8Array): NitroDocument {
  const subject = 'Nitro document'
  if (bytes.length > maximumLength) throw new ParseError({ code: 'TooLarge', message: `${subject} is too large` })
  const sign1 = readCoseSign1(parseCbor(bytes, subject), subject)
  // Since 2025, AWS writes this map with an indefinite length. The signature is over the bytes as they are.
  const members = mapOf(parseCbor(sign1.payload, subject, { openMap: true }), subject)
  for (const name of members.keys()) if (!known.has(String(name))) fail('UnknownType', `member ${name} is not known`)
  const enclave = members.has('pcrs')
  if (enclave === members.has('nitrotpm_pcrs')) fail('Missing', 'has not one set of registers')
  const [moduleId, timestamp, digest] = [members.get('module_id'), members.get('timestamp'), members.get('digest')]
  if (typeof moduleId !== 'string' || moduleId === '') return fail('InvalidValue', 'module_id is not text')
  if (typeof timestamp !== 'number' || timestamp <= 0 || timestamp > 8.64e15) {
    return fail('InvalidValue', 'timestamp is not a time')
  }
  if (digest !== 'SHA384') return fail('UnknownType', 'digest is not SHA384')
  const bundle = members.get('cabundle')
  if (!Array.isArray(bundle) || bundle.length === 0 || bundle.length > 5) {
    return fail('InvalidValue', 'cabundle has not 1 to 5 certificates')
  }
  return {
    sign1,
    kind: enclave ? 'enclave' : 'instance',
    moduleId,
    timestamp: new Date(timestamp),
    digest,
    pcrs: readRegisters(mapOf(members.get(enclave ? 'pcrs' : 'nitrotpm_pcrs'), `${subject} registers`)),
    certificate: bytesOf(members.get('certificate'), 'certificate', 1, 2048),
    cabundle: (bundle as readonly CborValue[]).map((item) => bytesOf(item, 'cabundle', 1, 2048)),
    publicKey: optional(members, 'public_key', 2048),
    userData: optional(members, 'user_data', 1024),
    nonce: optional(members, 'nonce', 1024),
  }
}

function readRegisters(map: CborMap): Map<number, Uint8Array> {
  const registers = new Map<number, Uint8Array>()
  if (map.size === 0 || map.size > 32) fail('InvalidValue', 'has not 1 to 32 registers')
  for (const [index, value] of map) {
    if (typeof index !== 'number' || index < 0 || index > 31)
      return fail('InvalidValue', 'a register is not numbered 0 to 31')
    registers.set(index, bytesOf(value, `register ${index}`, 48, 48))
  }
  return registers
}

function optional(members: CborMap, name: string, most: number): Uint8Array | undefined {
  const value = members.get(name)
  return value === undefined || value === null ? undefined : bytesOf(value, name, 0, most)
}

function bytesOf(value: CborValue | undefined, name: string, least: number, most: number): Uint8Array {
  if (value instanceof Uint8Array && value.length >= least && value.length <= most) return value
  return fail('InvalidValue', `${name} has not ${least === most ? least : `${least} to ${most}`} bytes`)
}

function fail(code: ParseError['code'], what: string): never {
  throw new ParseError({ code, message: `Nitro document: ${what}` })
}
