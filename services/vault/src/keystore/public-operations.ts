import { constants, createPublicKey, publicDecrypt, publicEncrypt, type KeyObject } from 'node:crypto'
import type { MacAlgorithm, RsaEncryption, SignatureAlgorithm } from '@strongroom/contract'
import { badParameter } from '../core/errors.ts'
import { rsaEncryptions, signatures } from './algorithms.ts'
import { digestInfo, equalBytes } from './digest-info.ts'
import type { KeySpec, PublicParts } from './keystore.ts'
import { verifyPss } from './pss.ts'
import { curves } from './secret-operations.ts'

/** @throws ServiceError 400 BadParameter if the value is too long for the key */
export function encryptWith(parts: PublicParts, algorithm: RsaEncryption, value: Uint8Array): Uint8Array {
  const oaepHash = rsaEncryptions[algorithm]
  const padding = oaepHash ? constants.RSA_PKCS1_OAEP_PADDING : constants.RSA_PKCS1_PADDING
  try {
    return publicEncrypt({ key: rsaKeyOf(parts), padding, ...(oaepHash && { oaepHash }) }, value)
  } catch {
    throw badParameter(`The value is too long for this key and ${algorithm}.`, {
      target: 'value',
      expected: 'a shorter value, such as a symmetric key',
      found: `${value.length} bytes`,
    })
  }
}

/** False for every signature that is not this key's over this digest; never throws because of its bytes. */
export function verifySignature(o: {
  spec: KeySpec
  parts: PublicParts
  algorithm: Exclude<SignatureAlgorithm, MacAlgorithm>
  digest: Uint8Array
  signature: Uint8Array
}): boolean {
  const algorithm = signatures[o.algorithm]
  try {
    if (algorithm.type === 'EC') {
      return curves[algorithm.curve].verify(o.signature, o.digest, pointOf(o.parts), { prehash: false, lowS: false })
    }
    if (o.spec.type !== 'RSA' || o.signature.length !== o.spec.bits / 8) return false
    const key = rsaKeyOf(o.parts)
    if (algorithm.padding === 'pkcs1') {
      // Compared as a whole, so that only the one valid encoding passes.
      const found = publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, o.signature)
      return equalBytes(found, algorithm.digest === undefined ? o.digest : digestInfo(algorithm.digest, o.digest))
    }
    const encoded = publicDecrypt({ key, padding: constants.RSA_NO_PADDING }, o.signature)
    return verifyPss(algorithm.digest, o.digest, encoded, o.spec.bits)
  } catch {
    return false
  }
}

function rsaKeyOf({ n, e }: PublicParts): KeyObject {
  return createPublicKey({ key: { kty: 'RSA', n: n!, e: e! }, format: 'jwk' })
}

/** Uncompressed, SEC 1 section 2.3.3. JWK coordinates have the length of the field. */
function pointOf({ x, y }: PublicParts): Uint8Array {
  return Buffer.concat([Buffer.of(4), Buffer.from(x!, 'base64url'), Buffer.from(y!, 'base64url')])
}
