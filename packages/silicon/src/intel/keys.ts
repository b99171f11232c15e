import { forWebCrypto } from '@strongroom/evidence'

/** Where the simulated processor's fuses are: sealed storage of the host. */
export interface KeyStore {
  load(name: string): Promise<Uint8Array | undefined>
  save(name: string, pkcs8: Uint8Array): Promise<void>
}

export interface SigningKeys {
  privateKey: CryptoKey
  publicKey: CryptoKey
}

const p256 = { name: 'ECDSA', namedCurve: 'P-256' } as const

/** The P-256 key of this name; made and stored the first time. */
export async function signingKeys(store: KeyStore, name: string): Promise<SigningKeys> {
  const stored = await store.load(name)
  if (stored === undefined) {
    const made = (await crypto.subtle.generateKey(p256, true, ['sign', 'verify'])) as CryptoKeyPair
    const pkcs8 = new Uint8Array(await crypto.subtle.exportKey('pkcs8', made.privateKey))
    await store.save(name, pkcs8)
    return fromPkcs8(pkcs8)
  }
  return fromPkcs8(stored)
}

/** Secret bytes of this name; made and stored the first time. */
export async function secretBytes(store: KeyStore, name: string, length: number): Promise<Uint8Array> {
  const stored = await store.load(name)
  if (stored !== undefined) return stored
  const made = crypto.getRandomValues(new Uint8Array(length))
  await store.save(name, made)
  return made
}

async function fromPkcs8(pkcs8: Uint8Array): Promise<SigningKeys> {
  const bytes = forWebCrypto(pkcs8)
  const exportable = await crypto.subtle.importKey('pkcs8', bytes, p256, true, ['sign'])
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', exportable)
  const publicJwk = { kty, crv, x, y } as JsonWebKey
  return {
    privateKey: await crypto.subtle.importKey('pkcs8', bytes, p256, false, ['sign']),
    publicKey: await crypto.subtle.importKey('jwk', publicJwk, p256, true, ['verify']),
  }
}

/** r and s, 32 bytes each. */
export async function signRaw(key: CryptoKey, data: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, key, forWebCrypto(data)))
}

/** x and y of a P-256 key, 32 bytes each. */
export async function rawPoint(key: CryptoKey): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.exportKey('raw', key)).subarray(1)
}

/** DER SubjectPublicKeyInfo. */
export async function spkiOf(key: CryptoKey): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.exportKey('spki', key))
}
