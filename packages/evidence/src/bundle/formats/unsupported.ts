import { type CborMap, type CborValue, parseCbor } from '../../cbor/cbor.ts'
import { isTagged } from '../../cbor/cose-sign1.ts'
import { isZero, utf8 } from '../../core/bytes/bytes.ts'
import { startsWithText } from '../../eventlog/event-log.ts'
import { binaryKind } from '../pieces/binary.ts'
import { decodeText } from './decode.ts'
import type { PieceOf } from '../pieces/piece.ts'
import { attempt } from '../pieces/pool.ts'

/** A piece that is recognised and that nothing here verifies: what it is, and what to do. It keeps the verdict open. */
function unsupported(name: string, what: string, remedy: string): PieceOf<'unknown'> {
  return { name, kind: 'unknown', reason: `It is ${what}, which is not verified here: ${remedy}`, recognised: true }
}

const veraison = 'verify it with the verifier of its maker, for example Veraison, and pass the result (EAR) it signs'
const nvidia = 'send it to NVIDIA’s attestation service and pass the token it signs'

/** Evidence and reference values of kinds that other verifiers judge, by their marks. */
export function unsupportedBytes(name: string, bytes: Uint8Array): PieceOf<'unknown'> | undefined {
  const found = spdm(bytes) ?? cbor(bytes) ?? dstack(bytes) ?? hygon(bytes)
  return found && unsupported(name, ...found)
}

type Found = [what: string, remedy: string]

/** GET_MEASUREMENTS and its answer (DMTF DSP0274, 10.11): a request with nonce and slot has 37 bytes. */
function spdm(bytes: Uint8Array): Found | undefined {
  const isRequest = bytes[0] === 0x11 && bytes[1] === 0xe0 && bytes[37] === 0x11 && bytes[38] === 0x60
  return isRequest ? ['the SPDM report of a device, such as an NVIDIA GPU or switch', nvidia] : undefined
}

/** CBOR tags of reference values and of evidence triples (draft-ietf-rats-corim; IANA, CBOR tags). */
const tags: ReadonlyMap<number, string> = new Map([
  [500, 'a CoRIM, reference values'],
  [501, 'a CoRIM, reference values'],
  [502, 'a signed CoRIM, reference values'],
  [505, 'a CoSWID, reference values'],
  [506, 'a CoMID, reference values'],
  [571, 'concise evidence (CoEV)'],
])

function cbor(bytes: Uint8Array): Found | undefined {
  const tag = bytes[0] === 0xd9 ? tags.get((bytes[1] ?? 0) * 256 + (bytes[2] ?? 0)) : undefined
  if (tag !== undefined) return [tag, veraison]
  if (startsWithText(bytes.subarray(1), 'ckat') && bytes[0] === 0xa2) return ['evidence of Parsec', veraison]
  if ((bytes[0] ?? 0) >>> 5 === 5) return numberedMap(attempt(() => parseCbor(bytes, 'CBOR')))
  // COSE_Sign1 (RFC 9052, 4.2): tag 18, four members, protected header as bytes.
  const header = (bytes[2] ?? 0) & 0xe0
  if (bytes[0] !== 0xd2 || bytes[1] !== 0x84 || header !== 0x40) return undefined
  const isCorim = includesText(bytes.subarray(0, 128), 'application/rim+cbor')
  return [isCorim ? 'a signed CoRIM, reference values' : 'a signed statement in CBOR, such as a PSA token', veraison]
}

/** Maps without a tag, by the numbers of their members. */
function numberedMap(value: CborValue | undefined): Found | undefined {
  if (!(value instanceof Map)) return undefined
  const map = value as CborMap
  const [first, second] = [map.get(0), map.get(1)]
  // draft-ietf-rats-corim, 5.1: tag identity and triples.
  if (second instanceof Map && map.get(4) instanceof Map) return ['a CoMID, reference values', veraison]
  // draft-ietf-rats-coserv: a profile, as text or object identifier, and a query; or what a service offers.
  const isProfile = typeof first === 'string' || (first !== undefined && isTagged(first) && first.tag === 111)
  if ((isProfile && second instanceof Map) || (typeof second === 'string' && Array.isArray(map.get(2))))
    return ['a message of CoSERV, which carries reference values', veraison]
  if (claimLabels.some((label) => map.has(label)))
    return ['the claims of a token without its signature', 'pass the token that has the signature']
  // RFC 9052, 7: kty and a parameter of its own.
  if (typeof second === 'number' && map.has(-1)) return ['a key in CBOR (COSE_Key)', 'pass it as PEM or JWK']
  return undefined
}

/** Profile of EAT, and claims of Arm's platform and realm (RFC 9711; draft-ffm-rats-cca-token, 4). */
const claimLabels = [265, 2395, 2396, 44235, 44238]

/** A certificate of Hygon's own form: version 1, usage of a root or signing key, a key on curve 3 (SM2). */
function hygon(bytes: Uint8Array): Found | undefined {
  if (bytes.length < 832) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const [version, usage, curve] = [0, 0x24, 0x40].map((at) => view.getUint32(at, true))
  const isCertificate = version === 1 && (usage === 0 || usage === 0x13) && curve === 3
  return isCertificate && isZero(bytes.subarray(0x28, 0x40)) ? ['a certificate of Hygon CSV', hygonRemedy] : undefined
}

const hygonRemedy = 'verify it with Hygon’s tools, or pass the result that a verifier signs'

function includesText(bytes: Uint8Array, text: string): boolean {
  const wanted = utf8(text)
  return bytes.some((_, at) => wanted.every((byte, index) => bytes[at + index] === byte))
}

/** Version 0, the platform, then its statement with a two-byte compact length (SCALE), and what dstack adds. */
function dstack(bytes: Uint8Array): Found | undefined {
  if (bytes[0] !== 0 || (bytes[1] ?? 255) > 7 || ((bytes[2] ?? 0) & 3) !== 1) return undefined
  const length = ((bytes[2] ?? 0) + (bytes[3] ?? 0) * 256) >> 2
  const statement = bytes.subarray(4, 4 + length)
  const kind = statement.length === length ? binaryKind(statement) : undefined
  if (kind !== 'snp-report' && kind !== 'tdx-quote' && kind !== 'nitro-document') return undefined
  return [`an attestation of dstack, with a ${kind} in it`, `pass the ${length} bytes from byte 4 on as a file`]
}

/** Texts of the same kinds. */
export function unsupportedText(name: string, text: string): PieceOf<'unknown'> | undefined {
  if (!text.startsWith('<') || !text.slice(0, 4096).includes('SoftwareIdentity')) return undefined
  return unsupported(name, 'a RIM in SWID, reference values', nvidia)
}

type Members = Readonly<Record<string, unknown>>

/** JSON objects of the same kinds, and the members that belong to them. */
export function unsupportedObject(
  name: string,
  members: Members,
): { piece: PieceOf<'unknown'>; names: string[] } | undefined {
  const { attestation_report: report, serial_number: serial, evidence, certificate } = members
  if (Array.isArray((report as Members | null | undefined)?.['data']) && Array.isArray(serial)) {
    const piece = unsupported(name, 'the report of a Hygon CSV guest', hygonRemedy)
    return { piece, names: ['attestation_report', 'cert_chain', 'serial_number'] }
  }
  if (typeof evidence === 'string' && typeof certificate === 'string') {
    const found = spdm(decodeText(evidence) ?? new Uint8Array())
    // Its certificates are under NVIDIA's root, which is not pinned.
    return found && { piece: unsupported(name, ...found), names: ['evidence', 'certificate'] }
  }
  if (!Object.hasOwn(members, 'ear.verifier-id')) return undefined
  const piece = unsupported(name, 'an attestation result (EAR) without its signature', 'pass the signed token')
  return { piece, names: Object.keys(members) }
}
