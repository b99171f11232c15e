import { fromBase64, fromBase64Url } from '../core/bytes/base64.ts'
import { equal } from '../core/bytes/bytes.ts'
import { digest } from '../core/bytes/digest.ts'
import { toHex } from '../core/bytes/hex.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import type { TrustAnchor } from '../x509/trust-anchors.ts'
import { type Certificate, parseCertificate } from '../x509/certificate.ts'
import { verifyPath } from '../x509/path.ts'
import { keyOfAlgorithm, requireAlgorithm, type TokenAlgorithm, verifyTokenSignature } from './algorithms.ts'
import { type Jws, parseJws } from './jws.ts'
import { requireStrongRsa } from './keys.ts'
import { shown } from './shown.ts'
import { requireHeader } from './verify.ts'

/** Accepted signers, for tokens that carry their certificates. */
export interface SignerRules {
  /** Trusted roots. */
  roots: readonly TrustAnchor[]
  /** Required common name of the signer's certificate, for example `vault.azure.net`. 'any' must be explicit. */
  signer: string
  /** Extended key usage that the signer's certificate must list; none by default. */
  usage?: string
  algorithms?: readonly TokenAlgorithm[]
}

export interface CertifiedJws {
  jws: Jws
  algorithm: TokenAlgorithm
  /** Leaf first, root last. */
  chain: readonly Certificate[]
  root: TrustAnchor
}

/**
 * Certificates of an `x5c`, in a token's header or in a key (RFC 7515, 4.1.6; RFC 7517, 4.7: base64, not base64url), leaf
 * first.
 * @throws ParseError Missing, InvalidEncoding, and those of certificates
 */
export function certificatesOf({ x5c }: Readonly<Record<string, unknown>>): Certificate[] {
  if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > 6) {
    throw new ParseError({
      code: 'Missing',
      message: 'There is no certificate chain (x5c)',
      expected: '1 to 6 certificates',
    })
  }
  return x5c.map((text: unknown) => {
    if (typeof text !== 'string') throw new ParseError({ code: 'InvalidEncoding', message: 'x5c is not text' })
    return parseCertificate(fromBase64(text.replace(/[\r\n]/g, '')))
  })
}

/** Verifies the chain at a time, its signer, and that the header's thumbprints are the leaf's. @throws VerificationError */
export async function verifySigner(
  jws: Jws,
  chain: readonly Certificate[],
  o: SignerRules & { at: Date },
): Promise<TrustAnchor> {
  const root = await verifyPath({ chain, anchors: o.roots, at: o.at })
  const leaf = chain[0] as Certificate
  const name = leaf.subject.commonName ?? ''
  if (o.signer !== 'any' && name !== o.signer) refuse('Signer is another', o.signer, name)
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.has('digitalSignature')) {
    refuse('Signer’s certificate is not for signatures', 'digitalSignature', [...leaf.keyUsage].join(', '))
  }
  if (o.usage !== undefined && leaf.extendedKeyUsage?.includes(o.usage) !== true) {
    refuse('Signer’s certificate is for another use', o.usage, leaf.extendedKeyUsage?.join(', ') ?? 'any use')
  }
  for (const [member, hash] of [
    ['x5t', 'SHA-1'],
    ['x5t#S256', 'SHA-256'],
  ] as const) {
    const given = jws.header[member]
    if (given === undefined) continue
    const found = await digest(hash, leaf.raw)
    if (typeof given !== 'string' || !equal(fromBase64Url(given), found)) {
      refuse('Token names another certificate than it carries', shown(given, 64), toHex(found))
    }
  }
  return root
}

/** @throws VerificationError AlgorithmNotAllowed, TokenKeyNotAllowed, TokenSignatureInvalid */
export async function verifySignerSignature(
  jws: Jws,
  leaf: Certificate,
  algorithms: readonly TokenAlgorithm[],
): Promise<TokenAlgorithm> {
  const algorithm = requireAlgorithm(jws.header['alg'], algorithms)
  const wanted = keyOfAlgorithm(algorithm)
  const key = leaf.publicKey
  const curve = key.kind === 'EC' ? key.curve : undefined
  if (curve !== wanted.crv) refuse('Key is of another type than the algorithm', wanted.kty, key.kind)
  if (key.kind === 'RSA') requireStrongRsa(key.modulus, key.exponent)
  const good = await verifyTokenSignature({
    algorithm,
    key: { spki: key.spki },
    signature: jws.signature,
    data: jws.signingInput,
  })
  if (good) return algorithm
  throw new VerificationError({
    code: 'TokenSignatureInvalid',
    message: 'Token is not signed by the certificate that it carries',
    subject: 'token',
  })
}

/**
 * Verifies a signed text that carries its certificates: chain to a pinned root at a time, signer, thumbprints,
 * signature.
 * @throws VerificationError; ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineVaultAnchors, verifyCertifiedJws } from '@strongroom/evidence'
 *
 * const { value: jws } = JSON.parse(await readFile('release.json', 'utf8'))
 * const o = { jws, roots: genuineVaultAnchors, at: new Date('2022-12-24') }
 * const { root } = await verifyCertifiedJws({ ...o, signer: 'vault.azure.net' })
 * root.name // => 'DigiCert Global Root G2'
 * verifyCertifiedJws({ ...o, signer: 'login.example' }) // throws VerificationError CertificateNotForThisUse
 */
export async function verifyCertifiedJws(o: SignerRules & { jws: string; at: Date }): Promise<CertifiedJws> {
  const jws = parseJws(o.jws)
  requireHeader(jws)
  const chain = certificatesOf(jws.header)
  const root = await verifySigner(jws, chain, o)
  const algorithm = await verifySignerSignature(jws, chain[0] as Certificate, o.algorithms ?? ['RS256'])
  return { jws, algorithm, chain, root }
}

function refuse(message: string, expected: string, found: string): never {
  throw new VerificationError({ code: 'CertificateNotForThisUse', message, subject: 'token', expected, found })
}
