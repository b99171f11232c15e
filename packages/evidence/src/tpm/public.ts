import { ByteReader } from '../core/bytes/byte-reader.ts'
import { ByteWriter } from '../core/bytes/byte-writer.ts'
import { concat } from '../core/bytes/bytes.ts'
import { fromBase64Url } from '../core/bytes/base64.ts'
import { bankDigest, type HashName, hashAlgorithmById, hashAlgorithmByName } from '../eventlog/algorithms.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import { readSized } from './attest.ts'

export type EccCurve = 'P-256' | 'P-384' | 'P-521'

/** The part of a public area that verifies signatures. */
export type TpmPublicKey =
  | { kind: 'rsa'; modulus: Uint8Array; exponent: number }
  | { kind: 'ecc'; curve: EccCurve; x: Uint8Array; y: Uint8Array }

/**
 * TPMA_OBJECT bits (TPM 2.0 part 2, section 8.3).
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { fromBase64Url, objectAttributes, parseTpm2bPublic } from '@strongroom/evidence'
 *
 * const boot = JSON.parse(await readFile('boot.json', 'utf8'))
 * const { attributes } = parseTpm2bPublic(fromBase64Url(boot.vtpm.akPublic))
 * const cannotLeave = objectAttributes.fixedTpm | objectAttributes.fixedParent
 * const bound = (attributes & cannotLeave) === cannotLeave
 * bound // => true
 */
export const objectAttributes = {
  fixedTpm: 0x2,
  stClear: 0x4,
  fixedParent: 0x10,
  sensitiveDataOrigin: 0x20,
  userWithAuth: 0x40,
  adminWithPolicy: 0x80,
  noDa: 0x400,
  restricted: 0x10000,
  decrypt: 0x20000,
  sign: 0x40000,
} as const

export interface TpmPublic {
  nameAlgorithm: HashName
  /** TPMA_OBJECT. */
  attributes: number
  authPolicy: Uint8Array
  /** TPM_ALG_ID of the scheme; undefined for TPM_ALG_NULL. */
  scheme?: { id: number; hash?: HashName }
  key: TpmPublicKey
  /** TPMT_PUBLIC, over which the name is computed. */
  publicArea: Uint8Array
}

const algorithmIds = {
  rsa: 0x0001,
  null: 0x0010,
  rsassa: 0x0014,
  rsaes: 0x0015,
  rsapss: 0x0016,
  ecdsa: 0x0018,
  ecdaa: 0x001a,
  ecc: 0x0023,
} as const
const curves: ReadonlyMap<number, { name: EccCurve; size: number }> = new Map([
  [0x0003, { name: 'P-256', size: 32 }],
  [0x0004, { name: 'P-384', size: 48 }],
  [0x0005, { name: 'P-521', size: 66 }],
])

/**
 * Reads a TPM2B_PUBLIC (TPM 2.0 part 2, section 12.2.5) of an RSA or an elliptic-curve key.
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { fromBase64Url, parseTpm2bPublic } from '@strongroom/evidence'
 *
 * const boot = JSON.parse(await readFile('boot.json', 'utf8'))
 * const { nameAlgorithm, key } = parseTpm2bPublic(fromBase64Url(boot.vtpm.akPublic))
 * nameAlgorithm // => 'sha256'
 * key.kind // => 'rsa'
 */
export function parseTpm2bPublic(bytes: Uint8Array): TpmPublic {
  const outer = new ByteReader(bytes, 'TPM2B_PUBLIC')
  const size = outer.u16be('size')
  const reader = outer.structure(size, 'TPMT_PUBLIC')
  outer.end()
  const type = reader.u16be('type')
  const nameId = reader.u16be('name algorithm')
  const nameAlgorithm = hashAlgorithmById(nameId)
  if (nameAlgorithm === undefined)
    throw new ParseError({
      code: 'UnknownType',
      message: 'TPMT_PUBLIC: unknown name algorithm',
      offset: 4,
      found: `0x${nameId.toString(16)}`,
    })
  const attributes = reader.u32be('attributes')
  const authPolicy = readSized(reader, 'authorization policy', 64)
  readSymmetric(reader)
  const scheme = readScheme(reader)
  let key: TpmPublicKey
  if (type === algorithmIds.rsa) {
    const bits = reader.u16be('key bits')
    const exponent = reader.u32be('exponent')
    const modulus = readSized(reader, 'modulus', 512)
    if (modulus.length * 8 !== bits)
      throw new ParseError({
        code: 'WrongLength',
        message: 'TPMT_PUBLIC: modulus of another length',
        offset: reader.offset,
        expected: `${bits} bits`,
        found: `${modulus.length * 8} bits`,
      })
    // A zero exponent means 65537 (part 2, section 12.2.3.5).
    key = { kind: 'rsa', modulus, exponent: exponent === 0 ? 65537 : exponent }
  } else if (type === algorithmIds.ecc) {
    const curveId = reader.u16be('curve')
    const kdf = reader.u16be('KDF')
    if (kdf !== algorithmIds.null) reader.u16be('KDF hash')
    const curve = curves.get(curveId)
    if (curve === undefined)
      throw new ParseError({
        code: 'UnknownType',
        message: 'TPMT_PUBLIC: unknown curve',
        offset: reader.offset,
        found: `0x${curveId.toString(16)}`,
      })
    const x = readSized(reader, 'x', curve.size)
    const y = readSized(reader, 'y', curve.size)
    key = { kind: 'ecc', curve: curve.name, x: leftPadded(x, curve.size), y: leftPadded(y, curve.size) }
  } else {
    throw new ParseError({
      code: 'UnknownType',
      message: 'TPMT_PUBLIC: neither RSA nor elliptic curve',
      offset: 2,
      found: `0x${type.toString(16)}`,
    })
  }
  reader.end()
  return {
    nameAlgorithm: nameAlgorithm.name,
    attributes,
    authPolicy,
    ...(scheme === undefined ? {} : { scheme }),
    key,
    publicArea: bytes.subarray(2),
  }
}

/**
 * True for a key that signs only what the TPM itself made, was created in that TPM and cannot leave it.
 * @example
 * import { isAttestationKey, objectAttributes, toBase64Url, tpmKeyFromJwk } from '@strongroom/evidence'
 *
 * const { fixedTpm, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign, decrypt } = objectAttributes
 * const inTpm = fixedTpm | fixedParent | sensitiveDataOrigin | userWithAuth
 * const key = tpmKeyFromJwk({ kty: 'RSA', n: toBase64Url(new Uint8Array(256).fill(0xc1)), e: 'AQAB' })
 * const area = { nameAlgorithm: 'sha256', authPolicy: new Uint8Array(), key, publicArea: new Uint8Array() } as const
 * isAttestationKey({ ...area, attributes: inTpm | restricted | sign }) // => true
 * isAttestationKey({ ...area, attributes: inTpm | decrypt }) // => false
 */
export function isAttestationKey(publicArea: TpmPublic): boolean {
  const need =
    objectAttributes.fixedTpm |
    objectAttributes.fixedParent |
    objectAttributes.sensitiveDataOrigin |
    objectAttributes.restricted |
    objectAttributes.sign
  return (publicArea.attributes & need) === need && (publicArea.attributes & objectAttributes.decrypt) === 0
}

/** Key in a public area, which must be an attestation key's. @throws VerificationError TpmKeyNotAllowed; ParseError */
export function requireAttestationKey(akPublic: Uint8Array): TpmPublicKey {
  const area = parseTpm2bPublic(akPublic)
  if (isAttestationKey(area)) return area.key
  throw new VerificationError({
    code: 'TpmKeyNotAllowed',
    message: 'The key can sign data that the TPM did not create',
    expected: 'restricted, signing, fixed to its TPM',
    found: `attributes 0x${area.attributes.toString(16)}`,
  })
}

/**
 * Name of an object: its name algorithm and the digest of its public area (TPM 2.0 part 1, section 16).
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { fromBase64Url, parseTpm2bPublic, toHex, tpmName } from '@strongroom/evidence'
 *
 * const boot = JSON.parse(await readFile('boot.json', 'utf8'))
 * const name = await tpmName(parseTpm2bPublic(fromBase64Url(boot.vtpm.akPublic)))
 * // TPM_ALG_SHA256, then the digest.
 * toHex(name.subarray(0, 2)) // => '000b'
 * name.length // => 34
 */
export async function tpmName(publicArea: TpmPublic): Promise<Uint8Array> {
  const { id } = hashAlgorithmByName(publicArea.nameAlgorithm)
  return concat(new ByteWriter().u16be(id).finish(), await bankDigest(publicArea.nameAlgorithm, publicArea.publicArea))
}

/**
 * RSA key of a JWK, as runtime claims contain the attestation key. @throws ParseError
 * @example
 * import { toBase64Url, tpmKeyFromJwk } from '@strongroom/evidence'
 *
 * const key = tpmKeyFromJwk({ kty: 'RSA', n: toBase64Url(new Uint8Array(256).fill(0xc1)), e: 'AQAB' })
 * key.kind === 'rsa' && key.exponent // => 65537
 * tpmKeyFromJwk({ kty: 'EC' }) // throws ParseError UnknownType
 */
export function tpmKeyFromJwk({
  kty,
  n,
  e,
}: {
  kty?: unknown
  n?: unknown
  e?: unknown
}): Extract<TpmPublicKey, { kind: 'rsa' }> {
  if (kty !== 'RSA' || typeof n !== 'string' || typeof e !== 'string') {
    throw new ParseError({
      code: 'UnknownType',
      message: 'JWK is not an RSA public key',
      expected: 'kty RSA with n and e',
    })
  }
  const exponentBytes = fromBase64Url(e)
  if (exponentBytes.length === 0 || exponentBytes.length > 4)
    throw new ParseError({ code: 'InvalidValue', message: 'JWK: exponent of an impossible length' })
  const exponent = exponentBytes.reduce((value, byte) => value * 256 + byte, 0)
  const modulus = fromBase64Url(n)
  return { kind: 'rsa', modulus: modulus[0] === 0 ? modulus.subarray(1) : modulus, exponent }
}

/** The same for an elliptic-curve key. @throws ParseError */
export function eccKeyFromJwk({ crv, x, y }: { crv?: unknown; x?: unknown; y?: unknown }): TpmPublicKey {
  const curve = [...curves.values()].find(({ name }) => name === crv)
  if (curve === undefined || typeof x !== 'string' || typeof y !== 'string') {
    throw new ParseError({ code: 'UnknownType', message: 'JWK is on no curve that is known', found: String(crv) })
  }
  const point = { x: fromBase64Url(x), y: fromBase64Url(y) }
  if (point.x.length !== curve.size || point.y.length !== curve.size) {
    throw new ParseError({
      code: 'WrongLength',
      message: 'JWK: coordinates of another length',
      expected: `${curve.size} bytes`,
      found: `${point.x.length} and ${point.y.length}`,
    })
  }
  return { kind: 'ecc', curve: curve.name, ...point }
}

/** TPMT_SYM_DEF_OBJECT: present for storage keys; skipped. */
function readSymmetric(reader: ByteReader): void {
  if (reader.u16be('symmetric algorithm') === algorithmIds.null) return
  reader.u16be('symmetric key bits')
  reader.u16be('symmetric mode')
}

function readScheme(reader: ByteReader): TpmPublic['scheme'] {
  const id = reader.u16be('scheme')
  if (id === algorithmIds.null) return undefined
  // TPMS_ENC_SCHEME_RSAES is empty (part 2, section 11.2.2.2): PKCS #1 v1.5 encryption has no hash.
  if (id === algorithmIds.rsaes) return { id }
  const hashId = reader.u16be('scheme hash')
  if (id === algorithmIds.ecdaa) reader.u16be('scheme count')
  const hash = hashAlgorithmById(hashId)
  return hash === undefined ? { id } : { id, hash: hash.name }
}

function leftPadded(bytes: Uint8Array, length: number): Uint8Array {
  return concat(new Uint8Array(length - bytes.length), bytes)
}
