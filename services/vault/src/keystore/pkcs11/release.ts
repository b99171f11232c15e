import { constants, createDecipheriv, generateKeyPair, privateDecrypt, randomBytes, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import type { ReleaseWrapping } from '@strongroom/contract'
import { oaepHashes, wrapTransportKey } from '../wrap.ts'
import type { Binding, Handle, Mechanism, Template } from './module.ts'
import type { Session } from './token.ts'

/** CKM_AES_KEY_WRAP_KWP of PKCS#11 3.0; older modules do the same under CKM_AES_KEY_WRAP_PAD, which some implement differently. */
const keyWrapPadMechanisms = [0x210b, 0x210a]
const largestWrapped = 8192

/** Where the fresh AES key of a release is created. */
export type TransportKey = 'token' | 'memory'

/** What a token can wrap for release: the mechanism of its RFC 5649 wrap, and the algorithms that work with it. */
export interface ReleaseAbility {
  keyWrapPad: number | undefined
  algorithms: Partial<Record<ReleaseWrapping, TransportKey>>
}

interface Wrapping {
  key: Handle
  wrappingKey: { n: string; e: string }
  algorithm: ReleaseWrapping
  keyWrapPad: number
}

/** RSA-OAEP(wrapping key, fresh AES-256 key) ‖ AES-KWP(AES key, key), all inside the token. */
export async function wrapInside(session: Session, o: Wrapping): Promise<Buffer> {
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
 * Like wrapInside, for tokens whose RSA-OAEP lacks the hash: the AES key is created in our memory and imported into the
 * token, where it wraps the key. Someone who reads our memory at that moment can open this one release, but does not
 * get the key.
 */
export async function wrapWithOurTransportKey(session: Session, o: Wrapping): Promise<Buffer> {
  const { binding: b, module, handle } = session
  const transport = randomBytes(32)
  try {
    const aesKey = module.C_CreateObject(handle, [
      { type: b.CKA_TOKEN, value: false },
      { type: b.CKA_CLASS, value: b.CKO_SECRET_KEY },
      { type: b.CKA_KEY_TYPE, value: b.CKK_AES },
      { type: b.CKA_SENSITIVE, value: true },
      { type: b.CKA_EXTRACTABLE, value: false },
      { type: b.CKA_WRAP, value: true },
      { type: b.CKA_VALUE, value: transport },
    ])
    try {
      const mechanism: Mechanism = { mechanism: o.keyWrapPad }
      const wrapped = await module.C_WrapKeyAsync(handle, mechanism, aesKey, o.key, Buffer.alloc(largestWrapped))
      return Buffer.concat([
        wrapTransportKey({ transport, wrappingKey: o.wrappingKey, algorithm: o.algorithm }),
        wrapped,
      ])
    } finally {
      module.C_DestroyObject(handle, aesKey)
    }
  } finally {
    transport.fill(0)
  }
}

/**
 * Tries each combination on a throw-away key and opens the result: mechanism lists show neither which hashes OAEP
 * supports nor what a module means by its padded key wrap.
 */
export async function releaseAbility(session: Session, allowed: TransportKey): Promise<ReleaseAbility> {
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
    return { keyWrapPad: undefined, algorithms: {} }
  }
  try {
    for (const keyWrapPad of keyWrapPadMechanisms) {
      const algorithms: ReleaseAbility['algorithms'] = {}
      for (const algorithm of Object.keys(oaepHashes) as ReleaseWrapping[]) {
        const wrapping = { key, wrappingKey, algorithm, keyWrapPad }
        if (await opens(() => wrapInside(session, wrapping), privateKey, algorithm)) algorithms[algorithm] = 'token'
        else if (allowed === 'memory') {
          const works = await opens(() => wrapWithOurTransportKey(session, wrapping), privateKey, algorithm)
          if (works) algorithms[algorithm] = 'memory'
        }
      }
      if (Object.keys(algorithms).length > 0) return { keyWrapPad, algorithms }
    }
    return { keyWrapPad: undefined, algorithms: {} }
  } finally {
    module.C_DestroyObject(handle, key)
  }
}

/** Whether wrapping a 16-byte key and unwrapping it returns the key; false for anything the token cannot do. */
async function opens(wrap: () => Promise<Buffer>, privateKey: KeyObject, algorithm: ReleaseWrapping): Promise<boolean> {
  try {
    const wrapped = await wrap()
    const opened = privateDecrypt(
      { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: oaepHashes[algorithm] },
      wrapped.subarray(0, 256),
    )
    const decipher = createDecipheriv('id-aes256-wrap-pad', opened, Buffer.from('a65959a6', 'hex'))
    return Buffer.concat([decipher.update(wrapped.subarray(256)), decipher.final()]).length === 16
  } catch {
    return false
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
    // sourceData null: an empty label. The binding's type lacks the null that it accepts.
    parameter: { type: b.CK_PARAMS_RSA_OAEP, hashAlg, mgf, source: 1, sourceData: null } as never,
  }
}
