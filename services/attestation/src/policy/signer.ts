import { X509Certificate } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import type { Provider } from '../providers/providers.ts'
import { isLoneLeaf, readChain } from './policy-certificate.ts'
import type { PolicyCertificates } from './policy-certificates.ts'
import type { Envelope } from './stored-policy.ts'

/**
 * Restricts an isolated provider to its signers: the key of one of its certificates must have signed the envelope, and
 * that certificate's chain must be valid now. In AAD mode the caller's role is the authority, and the envelope may have
 * any signature or none.
 * @throws ServiceError InvalidOperation, InvalidParameter
 */
export async function requireSigner(
  provider: Provider,
  envelope: Envelope,
  o: { certificates: PolicyCertificates; now: () => Date },
): Promise<void> {
  if (provider.trustModel !== 'Isolated') return
  if (envelope.signer === undefined)
    throw refused(provider, 'The JWS is not signed, and this provider accepts only signed ones.', 'an unsigned JWS')
  const { certificate } = envelope.signer
  const trusted = (await o.certificates.list(provider)).find(({ x5c }) => {
    const registered = x5c.map((text) => new X509Certificate(Buffer.from(text, 'base64')))
    const [leaf] = registered as [X509Certificate]
    return isLoneLeaf(registered) ? leaf.raw.equals(certificate.raw) : keyOf(leaf) === keyOf(certificate)
  })
  if (trusted === undefined)
    throw refused(
      provider,
      'The JWS is signed by a key that this provider does not trust.',
      certificate.subject.replaceAll('\n', ', ') || 'a certificate without subject',
    )
  readChain(trusted.x5c, o.now(), 'x5c')
}

/** A certificate renewed for the same key signs like the registered one, unless that may certify nothing. */
const keyOf = (certificate: X509Certificate): string =>
  certificate.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')

function refused(provider: Provider, message: string, found: string): ServiceError {
  return new ServiceError({
    code: 'InvalidOperation',
    message,
    target: 'policy',
    expected: `a signature (RS256, x5c) by one of the policy certificates of ${provider.host}`,
    found,
    remedy: 'Sign the JWS with the private key of a certificate that GET /certificates returns.',
  })
}
