import { equal } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'
import { toHex } from '../core/bytes/hex.ts'
import { VerificationError } from '../core/errors.ts'
import type { Certificate } from '../x509/certificate.ts'
import { verifyPath } from '../x509/path.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'
import { certificatesOf } from './certified.ts'
import type { Jws } from './jws.ts'
import { type Jwk, spkiOfJwk } from '../core/jwk.ts'

/** Which keys may sign a token: these themselves, and those that these roots certify (`x5c`). */
export interface KeyPins {
  keys?: readonly TrustAnchor[] | undefined
  roots?: readonly TrustAnchor[] | undefined
  /** Issuers of a certificate, up to a root, among the key’s own (in any order) and others that were given. */
  chainFrom: (leaf: Certificate, own: readonly Certificate[]) => Certificate[]
}

/** The key that a token brings (`jwk`, as Trustee's do): it counts where a pin holds for it, and nowhere else. */
export function keyInToken({ header }: Jws): Jwk[] | undefined {
  const { jwk } = header
  return typeof jwk === 'object' && jwk !== null && !Array.isArray(jwk) ? [jwk as Jwk] : undefined
}

/** Of these keys those that are pinned, each once; all if none is, so that the refusal names what was found. */
export async function pinnedAmong(keys: readonly Jwk[], pins: readonly TrustAnchor[] = []): Promise<readonly Jwk[]> {
  const found = new Map<string, Jwk>()
  for (const key of pins.length === 0 ? [] : keys) {
    const pin = await pinOf(await spkiOf(key))
    // The same key may be in a set, with a name, and in a file without one.
    if (pins.some(({ spkiSha256 }) => spkiSha256 === pin) && found.get(pin)?.['kid'] === undefined) found.set(pin, key)
  }
  return found.size === 0 ? keys : [...found.values()]
}

/**
 * Requires that each pin holds for a token’s key: a key set proves nothing about its owner.
 * @returns the names of the pins
 * @throws VerificationError TokenKeyNotAllowed, and those of certificates; ParseError
 */
export async function requirePinned(key: Jwk, { keys, roots, chainFrom, at }: KeyPins & { at: Date }): Promise<string> {
  const spki = await spkiOf(key)
  const names: string[] = []
  if (keys !== undefined) {
    const found = await pinOf(spki)
    const pin = keys.find(({ spkiSha256 }) => spkiSha256 === found)
    const expected = keys.map(({ name, spkiSha256 }) => `${name} ${spkiSha256}`).join(', ')
    if (pin === undefined) refuse('Token is signed by a key that is not pinned', expected, found)
    names.push(pin.name)
  }
  if (roots !== undefined) {
    const own = certificatesOf(key)
    const leaf = own[0] as Certificate
    // RFC 7517, 4.7: the first certificate is of this key.
    if (!equal(leaf.publicKey.spki, spki)) refuse('Key and its certificate differ', 'one key', 'two')
    if (leaf.keyUsage?.has('digitalSignature') === false)
      refuse('Certificate of the key is not for signatures', 'digitalSignature', [...leaf.keyUsage].join(', '))
    const chain = chainFrom(leaf, own)
    const root = await verifyPath({ chain, anchors: roots, at, leafMayBeCa: chain.length === 1 })
    names.push(root.name)
  }
  return names.join(', ')
}

const pinOf = async (spki: Uint8Array): Promise<string> => toHex(await digest('SHA-256', spki))

/** In DER; empty for what is no key. */
async function spkiOf(key: Jwk): Promise<Uint8Array> {
  const isCertified = key['kty'] === 'RSA' && key['n'] === undefined
  try {
    return (isCertified ? certificatesOf(key)[0]?.publicKey.spki : await spkiOfJwk(key)) ?? new Uint8Array()
  } catch {
    return new Uint8Array()
  }
}

function refuse(message: string, expected: string, found: string): never {
  throw new VerificationError({ code: 'TokenKeyNotAllowed', message, subject: 'token', expected, found })
}
