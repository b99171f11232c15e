import { domain, homeRegion, sharedAttestationHost, type VerifierSettings } from '@strongroom/contract'
import { toBase64Url, utf8, type Jwk } from '@strongroom/evidence'
import { sha256 } from './bytes.ts'
import { demand, LinkNotChecked, LinkRefused } from './link.ts'

/** Who verified a VM's evidence. */
export interface Verifier {
  issuer: string
  /** `installation`: a provider of this installation. `other`: one of another origin, named by its operator. */
  origin: 'installation' | 'other'
  /** The operator's name for one of another origin. */
  name?: string
  /** Where its keys were fetched for this report. */
  keys: string
}

/** The key that signed the token. */
export interface VerifierKey {
  id: string
  /** RFC 7638, SHA-256, base64url. */
  thumbprint: string
}

/** The provider that a VM named, from the resource manager's record, or why it is unknown. */
export type AskedProvider = { issuer: string } | { unknown: string }

/**
 * Token issuer of an installation's shared provider in its home region.
 * @example
 * import { sharedIssuer } from '@strongroom/trust'
 *
 * new URL(sharedIssuer).protocol // => 'https:'
 */
export const sharedIssuer: string = `https://${sharedAttestationHost(homeRegion.code)}`

const isOwnIssuer = (issuer: string): boolean =>
  /^https:\/\/[a-z0-9.-]+$/.test(issuer) && issuer.endsWith(`.attest.${domain}`)

/** The provider that verified the stored evidence: one of this installation, or one named by the operator. */
export function verifierOf(issuer: string, verifiers: readonly VerifierSettings[], asked: AskedProvider): Verifier {
  const other = verifiers.find((each) => each.issuer === issuer)
  if (other === undefined && !isOwnIssuer(issuer)) {
    throw new LinkRefused({
      message: 'The issuer is not an attestation provider of this installation, and its operator has not named it.',
      expected: [`https://{provider}.attest.${domain}`, ...verifiers.map((each) => each.issuer)].join(', '),
      actual: issuer,
    })
  }
  if ('unknown' in asked) throw new LinkNotChecked(asked.unknown)
  demand({
    holds: asked.issuer === issuer,
    message: 'The VM is attested by a provider other than the one it named.',
    expected: asked.issuer,
    actual: issuer,
  })
  return other === undefined
    ? { issuer, origin: 'installation', keys: `${issuer}/certs` }
    : { issuer, origin: 'other', name: other.name, keys: other.keys }
}

export async function verifierKey(keys: readonly Jwk[], id: string): Promise<VerifierKey> {
  const key = keys.find((each) => each['kid'] === id)
  // RFC 7638 section 3: the required members of an RSA key, in this order.
  const text = JSON.stringify({ e: key?.['e'], kty: key?.['kty'], n: key?.['n'] })
  return { id, thumbprint: toBase64Url(await sha256(utf8(text))) }
}

export function describeVerifier(verifier: Verifier, key: VerifierKey): string[] {
  const who =
    verifier.origin === 'other'
      ? `${verifier.name}, a provider of another origin: ${verifier.issuer}`
      : `a provider of this installation: ${verifier.issuer}`
  return [
    `verified by ${who}`,
    `published key ${key.id.slice(0, 16)}… of ${verifier.keys}, thumbprint ${key.thumbprint}`,
  ]
}
