import { concat, utf8 } from '../core/bytes/bytes.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import type { VerifyContext } from '../x509/verify-context.ts'
import { verifyRawEcdsa } from '../x509/verify-signature.ts'
import type { PublicKey } from '../x509/public-key.ts'
import { cborHead, type CborMap, type CborTagged, type CborValue, parseCbor } from './cbor.ts'

/** COSE algorithm ids of ECDSA (RFC 9053, 2.1), each with its curve: evidence does not mix them. */
const algorithms = {
  [-7]: { name: 'ES256', curve: 'P-256', hash: 'SHA-256' },
  [-35]: { name: 'ES384', curve: 'P-384', hash: 'SHA-384' },
  [-36]: { name: 'ES512', curve: 'P-521', hash: 'SHA-512' },
} as const
type Algorithm = (typeof algorithms)[keyof typeof algorithms]

/** COSE_Sign1 (RFC 9052, 4.2), parsed but not verified. */
export interface CoseSign1 {
  /** As signed. */
  protectedHeader: Uint8Array
  /** Under no signature: nothing is read from it. */
  unprotected: CborMap
  algorithm: Algorithm
  payload: Uint8Array
  /** r and s. */
  signature: Uint8Array
}

/** @param value with or without tag 18. @throws ParseError */
export function readCoseSign1(value: CborValue, subject: string): CoseSign1 {
  const fail = (code: ParseError['code'], what: string): never => {
    throw new ParseError({ code, message: `${subject}: ${what}` })
  }
  const item = isTagged(value) && value.tag === 18 ? value.value : value
  if (!Array.isArray(item) || item.length !== 4) return fail('InvalidValue', 'is not a COSE_Sign1')
  const [header, unprotected, payload, signature] = item as readonly CborValue[]
  if (!(header instanceof Uint8Array) || !(payload instanceof Uint8Array) || !(signature instanceof Uint8Array)) {
    return fail('InvalidValue', 'parts of the COSE_Sign1 are of other types')
  }
  if (!(unprotected instanceof Map)) return fail('InvalidValue', 'unprotected header is not a map')
  const members = mapOf(parseCbor(header, `${subject} header`), `${subject} header`)
  // Labels that must be understood (RFC 9052, 3.1, crit): nothing beyond the algorithm, type and key id is.
  if (members.has(2)) fail('InvalidValue', 'has a critical header that is not understood')
  const algorithm = algorithms[members.get(1) as keyof typeof algorithms] as Algorithm | undefined
  if (algorithm === undefined) return fail('UnknownType', 'is signed by an algorithm that is not taken')
  return { protectedHeader: header, unprotected: unprotected as CborMap, algorithm, payload, signature }
}

/** @throws VerificationError AlgorithmNotAllowed, TokenSignatureInvalid */
export async function verifyCoseSign1(
  o: VerifyContext & { sign1: CoseSign1; key: PublicKey; subject: string },
): Promise<void> {
  const { sign1, key, subject, primitives } = o
  const { curve, hash } = sign1.algorithm
  if (key.kind !== 'EC' || key.curve !== curve) {
    const found = key.kind === 'EC' ? key.curve : key.kind
    const message = `${subject}: key does not fit the algorithm`
    throw new VerificationError({ code: 'AlgorithmNotAllowed', message, expected: curve, found })
  }
  const bstr = (bytes: Uint8Array): Uint8Array => concat(cborHead(2, bytes.length), bytes)
  const context = utf8('Signature1')
  const data = concat(
    cborHead(4, 4),
    concat(cborHead(3, context.length), context),
    concat(bstr(sign1.protectedHeader), bstr(new Uint8Array()), bstr(sign1.payload)),
  )
  const size = { 'P-256': 64, 'P-384': 96, 'P-521': 132 }[curve]
  const { signature } = sign1
  if (signature.length === size && (await verifyRawEcdsa({ key, hash, signature, data, primitives }))) return
  throw new VerificationError({
    code: 'TokenSignatureInvalid',
    message: `${subject} is not signed by this key`,
    subject,
  })
}

export function isTagged(value: CborValue): value is CborTagged {
  return typeof value === 'object' && value !== null && 'tag' in value
}

/** @throws ParseError InvalidValue */
export function mapOf(value: CborValue | undefined, subject: string): CborMap {
  if (value instanceof Map) return value as CborMap
  throw new ParseError({ code: 'InvalidValue', message: `${subject} is not a map` })
}
