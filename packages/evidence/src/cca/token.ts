import { type CborMap, parseCbor } from '../cbor/cbor.ts'
import { type CoseSign1, isTagged, mapOf, readCoseSign1 } from '../cbor/cose-sign1.ts'
import { ParseError } from '../core/errors.ts'
import type { PublicKey } from '../x509/public-key.ts'
import { parsePublicKey } from '../x509/public-key.ts'
import { concat } from '../core/bytes/bytes.ts'
import { fromHex } from '../core/bytes/hex.ts'
import type { HashName } from '../core/bytes/digest.ts'

/** Attestation token of an Arm CCA realm (RMM specification A.7; draft-ffm-rats-cca-token): two signed tokens, one binding the other. */
export interface CcaToken {
  platform: {
    sign1: CoseSign1
    /** Digest of the realm's key, which binds the realm's token. */
    challenge: Uint8Array
    /** 0x3000 to 0x30ff is secured; others can be debugged. */
    lifecycle: number
    implementationId: Uint8Array
    instanceId: Uint8Array
  }
  realm: {
    sign1: CoseSign1
    /** The caller's 64 bytes. */
    challenge: Uint8Array
    personalization: Uint8Array
    initialMeasurement: Uint8Array
    extensibleMeasurements: readonly Uint8Array[]
    /** As the platform hashes it. */
    publicKey: Uint8Array
    key: PublicKey
    publicKeyHash: HashName
  }
}

/** CBOR tags of the collection: of the RMM specification, and of the draft from its second version on. */
const collectionTags: readonly number[] = [399, 907]
const part = { platform: 44234, realm: 44241 } as const
const platformClaim = { challenge: 10, instanceId: 256, lifecycle: 2395, implementationId: 2396 } as const
const realmClaim = {
  challenge: 10,
  personalization: 44235,
  publicKey: 44237,
  initial: 44238,
  extensible: 44239,
  publicKeyHash: 44240,
} as const
const maximumLength = 64 * 1024
const subject = 'CCA token'

/**
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { toHex } from '@strongroom/evidence'
 * import { parseCcaToken } from '@strongroom/evidence/files'
 *
 * const { realm, platform } = parseCcaToken(await readFile('cca.cbor'))
 * toHex(realm.initialMeasurement).slice(0, 8) // => '03030303'
 * platform.lifecycle // => 0x3000
 */
export function parseCcaToken(bytes: Uint8Array): CcaToken {
  if (bytes.length > maximumLength) return fail('TooLarge', 'is too large')
  const outer = parseCbor(bytes, subject)
  if (!isTagged(outer) || !collectionTags.includes(outer.tag))
    return fail('UnknownType', 'is not a collection of CCA tokens')
  const parts = mapOf(outer.value, subject)
  if (parts.size !== 2) fail('InvalidValue', 'has not the two parts platform and realm')
  return { platform: readPlatform(parts), realm: readRealm(parts) }
}

function readPlatform(parts: CborMap): CcaToken['platform'] {
  const [sign1, claims] = signedPart(parts, part.platform)
  const lifecycle = claims.get(platformClaim.lifecycle)
  if (typeof lifecycle !== 'number' || lifecycle < 0 || lifecycle > 0xffff)
    return fail('InvalidValue', 'lifecycle is not a state')
  return {
    sign1,
    challenge: bytesOf(claims, platformClaim.challenge, 32, 48, 64),
    lifecycle,
    implementationId: bytesOf(claims, platformClaim.implementationId, 32),
    instanceId: bytesOf(claims, platformClaim.instanceId, 33),
  }
}

function readRealm(parts: CborMap): CcaToken['realm'] {
  const [sign1, claims] = signedPart(parts, part.realm)
  const extensible = claims.get(realmClaim.extensible)
  if (!Array.isArray(extensible) || extensible.length !== 4)
    return fail('InvalidValue', 'has not four extensible measurements')
  const measurements = extensible.map((_, index) => bytesOf(new Map([[0, extensible[index]]]), 0, 32, 48, 64))
  const publicKey = bytesOf(claims, realmClaim.publicKey)
  const hash = { 'sha-256': 'SHA-256', 'sha-384': 'SHA-384', 'sha-512': 'SHA-512' } as const
  const publicKeyHash = hash[claims.get(realmClaim.publicKeyHash) as keyof typeof hash] as HashName | undefined
  if (publicKeyHash === undefined) return fail('UnknownType', 'digest of the realm’s key is not known')
  return {
    sign1,
    challenge: bytesOf(claims, realmClaim.challenge, 64),
    personalization: bytesOf(claims, realmClaim.personalization, 64),
    initialMeasurement: bytesOf(claims, realmClaim.initial, 32, 48, 64),
    extensibleMeasurements: measurements,
    publicKey,
    key: keyOf(publicKey),
    publicKeyHash,
  }
}

function signedPart(parts: CborMap, label: number): [CoseSign1, CborMap] {
  const bytes = parts.get(label)
  if (!(bytes instanceof Uint8Array)) return fail('Missing', `part ${label} is absent`)
  const sign1 = readCoseSign1(parseCbor(bytes, subject), subject)
  return [sign1, mapOf(parseCbor(sign1.payload, subject), subject)]
}

/** The realm's key, on P-384: a bare point, or a COSE_Key (RFC 9052, 7). */
function keyOf(bytes: Uint8Array): PublicKey {
  const point = bytes.length === 97 ? bytes : pointOf(mapOf(parseCbor(bytes, subject), `${subject} key`))
  const head = fromHex('3076301006072a8648ce3d020106052b81040022036200')
  return parsePublicKey(concat(head, point))
}

function pointOf(key: CborMap): Uint8Array {
  if (key.get(1) !== 2 || key.get(-1) !== 2) return fail('UnknownType', 'realm’s key is not on P-384')
  return concat(Uint8Array.of(4), bytesOf(key, -2, 48), bytesOf(key, -3, 48))
}

function bytesOf(map: CborMap, label: number, ...lengths: number[]): Uint8Array {
  const value = map.get(label)
  if (value instanceof Uint8Array && (lengths.length === 0 || lengths.includes(value.length))) return value
  return fail(value === undefined ? 'Missing' : 'InvalidValue', `claim ${label} is not bytes of its length`)
}

function fail(code: ParseError['code'], what: string): never {
  throw new ParseError({ code, message: `${subject} ${what}` })
}
