import { createHash, X509Certificate } from 'node:crypto'
import type { PolicySigningCertificate } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'

/** A certificate (with its chain) that may sign policies. */
export interface PolicyCertificate {
  /** SHA-1 of the leaf's DER, upper-case hexadecimal: `x-ms-certificate-thumbprint`. */
  thumbprint: string
  leaf: X509Certificate
  jwk: PolicySigningCertificate
}

const longestChain = 6

/**
 * Reads a signer's certificate as clients send it: a JWK with `x5c`.
 * @param target what the certificate came in, for errors
 * @throws ServiceError InvalidParameter if a link of the chain is missing, an issuer is not an authority, a certificate
 *   is not valid now, or the key cannot sign RS256
 */
export function readPolicyCertificate(jwk: unknown, now: Date, target: string): PolicyCertificate {
  const x5c = (jwk as { x5c?: unknown } | null | undefined)?.x5c
  if (
    !Array.isArray(x5c) ||
    x5c.length === 0 ||
    x5c.length > longestChain ||
    !x5c.every((each) => typeof each === 'string')
  )
    throw invalid(target, `x5c with 1 to ${longestChain} certificates`, 'a key without such a chain')
  return certificateOf(readChain(x5c as string[], now, target), target)
}

/**
 * Like `readPolicyCertificate`, from the `x5c` of a JWS header. A single self-signed certificate need not be an
 * authority, as in Microsoft's samples: it vouches for no other, and counts exactly as registered (`requireSigner`).
 */
export function readChain(x5c: readonly string[], now: Date, target: string): X509Certificate[] {
  const chain = x5c.map((text) => {
    try {
      return new X509Certificate(Buffer.from(text, 'base64'))
    } catch (cause) {
      throw invalid(target, 'certificates as standard base64 of DER', 'bytes that are not a certificate', cause)
    }
  })
  for (const [index, certificate] of chain.entries()) {
    const subject = certificate.subject.replaceAll('\n', ', ')
    if (now < new Date(certificate.validFrom) || now > new Date(certificate.validTo))
      throw invalid(
        target,
        'certificates that are valid now',
        `${subject}, valid from ${certificate.validFrom} to ${certificate.validTo}`,
      )
    const issuer = chain[index + 1] ?? certificate
    const isIssued = isLoneLeaf(chain) ? certificate.subject === certificate.issuer : certificate.checkIssued(issuer)
    if (!isIssued || !certificate.verify(issuer.publicKey))
      throw invalid(
        target,
        `the issuer of ${subject} next in the chain, and a root at its end`,
        'another certificate, or none',
      )
    if (issuer !== certificate && !issuer.ca)
      throw invalid(target, 'issuers that are certification authorities', issuer.subject)
  }
  const root = chain.at(-1)!
  if (!root.ca && !isLoneLeaf(chain))
    throw invalid(target, 'a root whose Basic Constraints mark it as a CA', root.subject.replaceAll('\n', ', '))
  return chain
}

/** Whether a chain is one certificate that may certify nothing. */
export const isLoneLeaf = (chain: readonly X509Certificate[]): boolean => chain.length === 1 && !chain[0]!.ca

function certificateOf(chain: X509Certificate[], target: string): PolicyCertificate {
  const leaf = chain[0]!
  const { asymmetricKeyType, asymmetricKeyDetails } = leaf.publicKey
  if (asymmetricKeyType !== 'rsa' || (asymmetricKeyDetails?.modulusLength ?? 0) < 2048)
    throw invalid(
      target,
      'an RSA key of at least 2048 bits, for RS256',
      `${asymmetricKeyType} ${asymmetricKeyDetails?.modulusLength ?? ''}`,
    )
  return {
    thumbprint: thumbprintOf(leaf),
    leaf,
    jwk: { kty: 'RSA', x5c: chain.map(({ raw }) => raw.toString('base64')) },
  }
}

const thumbprintOf = (certificate: X509Certificate): string =>
  createHash('sha1').update(certificate.raw).digest('hex').toUpperCase()

function invalid(target: string, expected: string, found: string, cause?: unknown): ServiceError {
  return new ServiceError({
    code: 'InvalidParameter',
    message: 'The certificate chain of the policy signer is not valid.',
    target,
    expected,
    found,
    remedy: 'Send the whole chain, leaf first, up to a self-signed root CA.',
    cause,
  })
}
