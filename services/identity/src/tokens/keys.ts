import type { Sealer, Store } from '@strongroom/platform'
import { calculateJwkThumbprint, exportJWK, type JWK } from 'jose'
import { settingOnce } from '../directory/store.ts'

export interface TokenKey {
  kid: string
  privateKey: CryptoKey
  publicKey: CryptoKey
  /** Shown by /discovery/v2.0/keys. */
  publicJwk: JWK
}

const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
const setting = 'token-signing-key'

/** The key that signs access tokens (RS256, 2048 bits), created once and stored sealed: cached tokens survive a restart. */
export async function openTokenKey(store: Store, sealer: Sealer): Promise<TokenKey> {
  const sealed = await settingOnce(store, setting, async () => {
    const pair = await crypto.subtle.generateKey(
      { ...algorithm, modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) },
      true,
      ['sign', 'verify'],
    )
    const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey))
    return Buffer.from(await sealer.seal(pkcs8, setting)).toString('base64')
  })
  const pkcs8 = Uint8Array.from(await sealer.open(Uint8Array.from(Buffer.from(sealed, 'base64')), setting))
  const whole = await exportJWK(await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign']))
  const { n, e } = whole
  if (n === undefined || e === undefined) throw new TypeError('the token signing key is not an RSA key')
  const publicJwk = { kty: 'RSA', n, e }
  const kid = await calculateJwkThumbprint(publicJwk)
  return {
    kid,
    privateKey: await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, false, ['sign']),
    publicKey: await crypto.subtle.importKey('jwk', publicJwk, algorithm, true, ['verify']),
    publicJwk: { ...publicJwk, use: 'sig', alg: 'RS256', kid },
  }
}
