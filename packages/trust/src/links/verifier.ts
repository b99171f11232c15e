import { domain, type VerifierSettings } from '@strongroom/contract'
import { toBase64Url, utf8, type Jwk } from '@strongroom/evidence'
import { sha256 } from '../provenance/bytes.ts'
import type { Known } from '../provenance/known.ts'
import type { AskedProvider } from '../provenance/request.ts'
import { LinkNotChecked, LinkRefused, refuseUnless, type Proof } from '../provenance/link.ts'

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
  refuseUnless(asked.issuer === issuer, {
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

/** Name and place of the keys of another origin are what the operator configured; the key that signed is what was verified. */
export function describeVerifier(
  verifier: Verifier,
  o: { issuer: Known<string>; key: Known<VerifierKey>; proof: Proof },
): void {
  const { issuer, key, proof } = o
  if (verifier.origin === 'installation') proof.proves`verified by a provider of this installation: ${issuer}`
  else {
    proof.proves`verified by a provider of another origin: ${issuer}`
    proof.informs(`${verifier.name}, a provider of another origin, as this installation’s operator calls it`)
  }
  proof.proves`published key ${key.map(({ id }) => id.slice(0, 16))}…, thumbprint ${key.map((of) => of.thumbprint)}`
  proof.informs(`its keys were fetched from ${verifier.keys}`)
}
