import { derTag, DerReader } from '../core/der/der-reader.ts'
import { readBitStringBytes, readIntegerBytes, readOid } from '../core/der/der-values.ts'
import { oid } from './oids.ts'

export type Curve = 'P-256' | 'P-384' | 'P-521'

/** Content of a SubjectPublicKeyInfo. */
export type PublicKey =
  | { kind: 'RSA'; spki: Uint8Array; modulusBits: number; modulus: Uint8Array; exponent: Uint8Array }
  | { kind: 'EC'; spki: Uint8Array; curve: Curve; /** 0x04, x, y */ point: Uint8Array }

const curves: ReadonlyMap<string, { curve: Curve; size: number }> = new Map([
  [oid.p256, { curve: 'P-256', size: 32 }],
  [oid.p384, { curve: 'P-384', size: 48 }],
  [oid.p521, { curve: 'P-521', size: 66 }],
])

/** Reads a SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7). @throws ParseError */
export function readPublicKey(reader: DerReader, field: string): PublicKey {
  const value = reader.expect(derTag.sequence, field)
  const info = reader.enter(value, field)
  const algorithm = info.sequence('key algorithm')
  const name = readOid(algorithm, 'key algorithm')
  if (name === oid.ecPublicKey) {
    const parameter = readOid(algorithm, 'curve')
    algorithm.end()
    const known = curves.get(parameter)
    if (known === undefined) return info.fail('UnknownType', 'curve is not supported', undefined, parameter)
    const point = readBitStringBytes(info, 'point')
    info.end()
    if (point.length !== 1 + 2 * known.size || point[0] !== 4) info.fail('InvalidValue', 'point is not uncompressed')
    return { kind: 'EC', spki: value.raw, curve: known.curve, point }
  }
  if (name !== oid.rsaEncryption) return info.fail('UnknownType', 'key algorithm is not supported', undefined, name)
  const parameters = algorithm.expect(derTag.null, 'key parameters')
  if (parameters.content.length !== 0) algorithm.fail('WrongLength', 'NULL is not empty')
  algorithm.end()
  const key = new DerReader(readBitStringBytes(info, 'key'), 'RSA key').sequence('RSA key')
  info.end()
  const modulus = unsigned(readIntegerBytes(key, 'modulus'))
  const exponent = unsigned(readIntegerBytes(key, 'exponent'))
  key.end()
  const top = modulus[0] ?? 0
  const modulusBits = modulus.length * 8 - Math.clz32(top) + 24
  if (modulus.length === 0 || exponent.length === 0) info.fail('InvalidValue', 'RSA key has no positive numbers')
  return { kind: 'RSA', spki: value.raw, modulusBits, modulus, exponent }
}

/**
 * Reads a SubjectPublicKeyInfo and nothing after it.
 * @example
 * import { parsePublicKey } from '@strongroom/evidence'
 *
 * const { publicKey } = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-384' }, true, ['sign', 'verify'])
 * const key = parsePublicKey(new Uint8Array(await crypto.subtle.exportKey('spki', publicKey)))
 * key.kind === 'EC' && key.curve // => 'P-384'
 */
export function parsePublicKey(spki: Uint8Array): PublicKey {
  const reader = new DerReader(spki, 'public key')
  const key = readPublicKey(reader, 'public key')
  reader.end()
  return key
}

/** Magnitude of a DER INTEGER; empty for zero and for negative numbers. */
export function unsigned(bytes: Uint8Array): Uint8Array {
  const first = bytes[0] ?? 0
  if (first & 0x80) return new Uint8Array(0)
  return first === 0 ? bytes.subarray(1) : bytes
}
