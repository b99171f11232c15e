import { constants, createDecipheriv, generateKeyPair, privateDecrypt } from 'node:crypto'
import { promisify } from 'node:util'
import type { ReleaseWrapping } from '@strongroom/contract'
import { oaepHashes } from '../wrap.ts'
import type { Binding, Handle, Mechanism, Template } from './module.ts'
import type { Session } from './token.ts'

/** CKM_AES_KEY_WRAP_KWP of PKCS#11 3.0; older modules do the same under CKM_AES_KEY_WRAP_PAD, some do another thing. */
const keyWrapPadMechanisms = [0x210b, 0x210a]
const largestWrapped = 8192

/** What a token can wrap for release: the mechanism of its RFC 5649 wrap, and the algorithms that work with it. */
export interface ReleaseAbility {
  keyWrapPad: number | undefined
  algorithms: ReleaseWrapping[]
}

/** RSA-OAEP(wrapping key, fresh AES-256 key) ‖ AES-KWP(AES key, key), all inside the token. */
export async function wrapInside(
  session: Session,
  o: { key: Handle; wrappingKey: { n: string; e: string }; algorithm: ReleaseWrapping; keyWrapPad: number },
): Promise<Buffer> {
  const { binding: b, module, handle } = session
  const passing: Template = [{ type: b.CKA_TOKEN, value: false }]
  const objects: Handle[] = []
  try {
    const aesKey = await module.C_GenerateKeyAsync(handle, { mechanism: b.CKM_AES_KEY_GEN }, [
      ...passing,
      { type: b.CKA_CLASS, value: b.CKO_SECRET_KEY },
      { type: b.CKA_KEY_TYPE, value: b.CKK_AES },
      { type: b.CKA_VALUE_LEN, value: 32 },
      { type: b.CKA_SENSITIVE, value: true },
      { type: b.CKA_EXTRACTABLE, value: true },
      { type: b.CKA_WRAP, value: true },
    ])
    objects.push(aesKey)
    const wrappingKey = module.C_CreateObject(handle, [
      ...passing,
      { type: b.CKA_CLASS, value: b.CKO_PUBLIC_KEY },
      { type: b.CKA_KEY_TYPE, value: b.CKK_RSA },
      { type: b.CKA_WRAP, value: true },
      { type: b.CKA_MODULUS, value: Buffer.from(o.wrappingKey.n, 'base64url') },
      { type: b.CKA_PUBLIC_EXPONENT, value: Buffer.from(o.wrappingKey.e, 'base64url') },
    ])
    objects.push(wrappingKey)
    const wrap = (mechanism: Mechanism, by: Handle, key: Handle): Promise<Buffer> =>
      module.C_WrapKeyAsync(handle, mechanism, by, key, Buffer.alloc(largestWrapped))
    const wrappedKey = await wrap(oaep(b, oaepHashes[o.algorithm]), wrappingKey, aesKey)
    return Buffer.concat([wrappedKey, await wrap({ mechanism: o.keyWrapPad }, aesKey, o.key)])
  } finally {
    for (const object of objects) module.C_DestroyObject(handle, object)
  }
}

/**
 * Tries each combination on a throw-away key and opens the result: lists of mechanisms say neither which hashes OAEP
 * takes, nor what a module means by its padded key wrap.
 */
export async function releaseAbility(session: Session): Promise<ReleaseAbility> {
  const { binding: b, module, handle } = session
  const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  const wrappingKey = publicKey.export({ format: 'jwk' }) as { n: string; e: string }
  let key: Handle
  try {
    key = module.C_GenerateKey(handle, { mechanism: b.CKM_AES_KEY_GEN }, [
      { type: b.CKA_TOKEN, value: false },
      { type: b.CKA_CLASS, value: b.CKO_SECRET_KEY },
      { type: b.CKA_KEY_TYPE, value: b.CKK_AES },
      { type: b.CKA_VALUE_LEN, value: 16 },
      { type: b.CKA_SENSITIVE, value: true },
      { type: b.CKA_EXTRACTABLE, value: true },
    ])
  } catch {
    return { keyWrapPad: undefined, algorithms: [] }
  }
  try {
    for (const keyWrapPad of keyWrapPadMechanisms) {
      const algorithms: ReleaseWrapping[] = []
      for (const algorithm of Object.keys(oaepHashes) as ReleaseWrapping[]) {
        try {
          const wrapped = await wrapInside(session, { key, wrappingKey, algorithm, keyWrapPad })
          const opened = privateDecrypt(
            { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: oaepHashes[algorithm] },
            wrapped.subarray(0, 256),
          )
          const decipher = createDecipheriv('id-aes256-wrap-pad', opened, Buffer.from('a65959a6', 'hex'))
          const secret = Buffer.concat([decipher.update(wrapped.subarray(256)), decipher.final()])
          if (secret.length === 16) algorithms.push(algorithm)
        } catch {
          // The token cannot do this one.
        }
      }
      if (algorithms.length > 0) return { keyWrapPad, algorithms }
    }
    return { keyWrapPad: undefined, algorithms: [] }
  } finally {
    module.C_DestroyObject(handle, key)
  }
}

/** Parameters of OAEP with the same hash in MGF1. */
export function oaep(b: Binding, hash: 'sha1' | 'sha256' | 'sha384'): Mechanism {
  const [hashAlg, mgf] = {
    sha1: [b.CKM_SHA_1, b.CKG_MGF1_SHA1],
    sha256: [b.CKM_SHA256, b.CKG_MGF1_SHA256],
    sha384: [b.CKM_SHA384, b.CKG_MGF1_SHA384],
  }[hash] as [number, number]
  return {
    mechanism: b.CKM_RSA_PKCS_OAEP,
    // sourceData null: an empty label. The binding's type lacks the null that it takes.
    parameter: { type: b.CK_PARAMS_RSA_OAEP, hashAlg, mgf, source: 1, sourceData: null } as never,
  }
}
