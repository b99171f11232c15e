import { forWebCrypto } from '@strongroom/evidence'
import { multiPrimeKey } from './rsa-4096.ts'

/** Stores the simulated hardware's private keys between starts; the caller seals them. */
export interface KeyStore {
  load(name: string): Promise<Uint8Array | undefined>
  save(name: string, pkcs8: Uint8Array): Promise<void>
}

/** How a key signs, with the vendors' algorithms. */
export type SigningScheme = 'rsa-pss-sha384' | 'ecdsa-p256-sha256' | 'ecdsa-p384-sha384'

/** A private key with its public half. */
export interface SigningKey {
  scheme: SigningScheme
  privateKey: CryptoKey
  /** DER SubjectPublicKeyInfo. */
  spki: Uint8Array
}

type Generation = (RsaHashedKeyGenParams & { name: string }) | EcKeyGenParams

/** RSA keys have 4096 bits, like AMD's roots. */
const generation: Record<SigningScheme, Generation> = {
  'rsa-pss-sha384': {
    name: 'RSA-PSS',
    hash: 'SHA-384',
    modulusLength: 4096,
    publicExponent: Uint8Array.of(1, 0, 1),
  },
  'ecdsa-p256-sha256': { name: 'ECDSA', namedCurve: 'P-256' },
  'ecdsa-p384-sha384': { name: 'ECDSA', namedCurve: 'P-384' },
}

/** The key of this name; created and saved if missing. */
export async function loadOrCreateKey(store: KeyStore, name: string, scheme: SigningScheme): Promise<SigningKey> {
  const algorithm = generation[scheme]
  const stored = (await store.load(name)) ?? (await createRsa(store, name, scheme))
  if (stored !== undefined) {
    const privateKey = await crypto.subtle.importKey('pkcs8', forWebCrypto(stored), algorithm, true, ['sign'])
    return { scheme, privateKey, spki: await publicHalf(privateKey, algorithm) }
  }
  const pair = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair
  await store.save(name, new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey)))
  return {
    scheme,
    privateKey: pair.privateKey,
    spki: new Uint8Array(await crypto.subtle.exportKey('spki', pair.publicKey)),
  }
}

/** A new RSA key, saved; undefined for other schemes. */
async function createRsa(store: KeyStore, name: string, scheme: SigningScheme): Promise<Uint8Array | undefined> {
  if (scheme !== 'rsa-pss-sha384') return undefined
  const pkcs8 = await multiPrimeKey()
  await store.save(name, pkcs8)
  return pkcs8
}

async function publicHalf(privateKey: CryptoKey, algorithm: Generation): Promise<Uint8Array> {
  const jwk = await crypto.subtle.exportKey('jwk', privateKey)
  const open: JsonWebKey = { kty: jwk.kty ?? '' }
  for (const member of ['crv', 'x', 'y', 'n', 'e'] as const) if (jwk[member] !== undefined) open[member] = jwk[member]
  const publicKey = await crypto.subtle.importKey('jwk', open, algorithm, true, ['verify'])
  return new Uint8Array(await crypto.subtle.exportKey('spki', publicKey))
}

/** Signature in WebCrypto's form: r and s of fixed length for ECDSA. */
export async function signRaw(key: SigningKey, data: Uint8Array): Promise<Uint8Array> {
  const parameters = {
    'rsa-pss-sha384': { name: 'RSA-PSS', saltLength: 48 },
    'ecdsa-p256-sha256': { name: 'ECDSA', hash: 'SHA-256' },
    'ecdsa-p384-sha384': { name: 'ECDSA', hash: 'SHA-384' },
  }[key.scheme]
  return new Uint8Array(await crypto.subtle.sign(parameters, key.privateKey, forWebCrypto(data)))
}
