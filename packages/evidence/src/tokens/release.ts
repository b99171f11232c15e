import { fromBase64Url } from '../core/bytes/base64.ts'
import { ParseError } from '../core/errors.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'
import { type CertifiedJws, type SignerRules, verifyCertifiedJws } from './certified.ts'
import { readJsonObject } from './json.ts'

/**
 * Roots of Azure Key Vault's signing certificates.
 * @example
 * import { genuineVaultAnchors } from '@strongroom/evidence'
 *
 * genuineVaultAnchors.map(({ name }) => name) // => ['DigiCert Global Root G2']
 */
export const genuineVaultAnchors: readonly TrustAnchor[] = [
  { name: 'DigiCert Global Root G2', spkiSha256: '8bb593a93be1d0e8a822bb887c547890c3e706aad2dab76254f97fb36b82fc26' },
]

/**
 * Common name of the certificates that sign releases.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineVaultAnchors, vaultSigner, verifyCertifiedJws } from '@strongroom/evidence'
 *
 * const { value: jws } = JSON.parse(await readFile('release.json', 'utf8'))
 * const { chain } = await verifyCertifiedJws({ jws, roots: genuineVaultAnchors, signer: vaultSigner, at: new Date('2022-12-24') })
 * chain[0]?.subject.commonName // => 'vault.azure.net'
 */
export const vaultSigner = 'vault.azure.net'

/** A vault's statement of what it released, and for whom (Key Vault, "Release"). */
export interface KeyRelease {
  keyId: string
  keyType: string
  /** Key that the released one is wrapped for, for example `TpmEphemeralEncryptionKey`. */
  wrappedFor: string
  /** `CKM_RSA_AES_KEY_WRAP` and related mechanisms. */
  wrapping: string
  /** RSA-OAEP of a key-wrapping key, then the wrapped key. */
  ciphertext: Uint8Array
  tags: Readonly<Record<string, unknown>>
  /** The policy, as the vault evaluated it. */
  releasePolicy: Readonly<Record<string, unknown>>
  request: Readonly<Record<string, unknown>>
}

export interface VerifiedRelease extends CertifiedJws {
  release: KeyRelease
}

/**
 * Verifies a vault's key-release response.
 * @param o.jws the response's `value`
 * @throws VerificationError; ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineVaultAnchors, vaultSigner, verifyKeyRelease } from '@strongroom/evidence'
 *
 * const { value: jws } = JSON.parse(await readFile('release.json', 'utf8'))
 * const { release } = await verifyKeyRelease({ jws, roots: genuineVaultAnchors, signer: vaultSigner, at: new Date('2022-12-24') })
 * release.keyType // => 'RSA-HSM'
 * Object.keys(release.releasePolicy) // => ['version', 'anyOf']
 */
export async function verifyKeyRelease(o: SignerRules & { jws: string; at: Date }): Promise<VerifiedRelease> {
  const certified = await verifyCertifiedJws(o)
  return { ...certified, release: readKeyRelease(certified.jws.payload) }
}

/**
 * Reads the signed payload of a release. @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseJws, readKeyRelease } from '@strongroom/evidence'
 *
 * const { value } = JSON.parse(await readFile('release.json', 'utf8'))
 * const { keyType, wrapping } = readKeyRelease(parseJws(value).payload)
 * keyType // => 'RSA-HSM'
 * wrapping // => 'CKM_RSA_AES_KEY_WRAP'
 */
export function readKeyRelease(payload: Uint8Array): KeyRelease {
  const whole = readJsonObject(payload, 'key release')
  const request = member(whole, 'request')
  const outer = member(member(whole, 'response'), 'key')
  const key = member(outer, 'key')
  const wrapped = readJsonObject(fromBase64Url(text(key, 'key_hsm')), 'key_hsm')
  const header = member(wrapped, 'header')
  const policy = member(outer, 'release_policy')
  return {
    keyId: text(key, 'kid'),
    keyType: text(key, 'kty'),
    wrappedFor: text(header, 'kid'),
    wrapping: text(header, 'enc'),
    ciphertext: fromBase64Url(text(wrapped, 'ciphertext')),
    tags: outer['tags'] === undefined ? {} : member(outer, 'tags'),
    releasePolicy: readJsonObject(fromBase64Url(text(policy, 'data')), 'release policy'),
    request,
  }
}

function member(object: Record<string, unknown>, name: string): Record<string, unknown> {
  const value = object[name]
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new ParseError({ code: 'Missing', message: `Key release has no ${name}` })
}

function text(object: Record<string, unknown>, name: string): string {
  const value = object[name]
  if (typeof value === 'string') return value
  throw new ParseError({ code: 'Missing', message: `Key release has no text ${name}` })
}
