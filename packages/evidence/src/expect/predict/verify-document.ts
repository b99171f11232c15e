import { VerificationError } from '../../core/errors.ts'
import { requireAlgorithm, verifyTokenSignature } from '../../tokens/algorithms.ts'
import { parseJws } from '../../tokens/jws.ts'
import { selectKey, type Jwk } from '../../tokens/keys.ts'
import { shown } from '../../tokens/shown.ts'

/**
 * Verifies a document that an installation signs (compact JWS, ES256) under keys that the caller pinned.
 * @param o.type `typ` of this kind of document: no other signed text can pass for one (RFC 8725 section 3.11)
 * @param o.name of this kind, for messages
 * @returns the payload
 * @throws VerificationError TokenOfAnotherKind, AlgorithmNotAllowed, UnknownCriticalExtension, TokenKeyUnknown,
 * TokenKeyNotAllowed, TokenSignatureInvalid; ParseError
 */
export async function verifyDocument(o: {
  jws: string
  keys: readonly Jwk[]
  type: string
  name: string
}): Promise<Uint8Array> {
  const jws = parseJws(o.jws)
  const { typ, alg, kid } = jws.header
  if (typ !== o.type)
    throw new VerificationError({
      code: 'TokenOfAnotherKind',
      message: `Signed text is not a ${o.name}`,
      subject: 'token',
      expected: o.type,
      found: shown(typ),
    })
  if (Object.hasOwn(jws.header, 'crit'))
    throw new VerificationError({
      code: 'UnknownCriticalExtension',
      message: `The ${o.name} has a critical header that is not understood`,
      subject: 'token',
      found: shown(jws.header['crit']),
    })
  const algorithm = requireAlgorithm(alg, ['ES256'])
  const key = selectKey({ keys: o.keys, kid, algorithm })
  if (!(await verifyTokenSignature({ algorithm, key, signature: jws.signature, data: jws.signingInput })))
    throw new VerificationError({
      code: 'TokenSignatureInvalid',
      message: `The ${o.name} is not signed by the key that it names`,
      subject: 'token',
    })
  return jws.payload
}
