import { createHash, X509Certificate } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { compactVerify, decodeProtectedHeader, exportJWK, importX509, type JWK } from 'jose'

/** A policy as it is stored: the envelope that was sent and the text in it. */
export interface StoredPolicy {
  jws: string
  text: string
  /** Key that signed the envelope; absent for an unsigned one. */
  signer?: JWK
}

/** base64url(SHA-256(UTF-8 of base64url(UTF-8 of the text))): `x-ms-policy-hash`. */
export function policyHash(text: string): string {
  return createHash('sha256').update(Buffer.from(text, 'utf8').toString('base64url')).digest('base64url')
}

/** base64url(SHA-256 of the envelope): `x-ms-policy-token-hash`. */
export const policyTokenHash = (jws: string): string => createHash('sha256').update(jws).digest('base64url')

/** The unsigned envelope of a policy text (facts section 5.5). */
export function unsignedPolicyJws(text: string): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ AttestationPolicy: Buffer.from(text, 'utf8').toString('base64url') })}.`
}

/**
 * Opens an envelope: unsigned, or RS256 with the certificate of its signer in `x5c`. Whose signature counts is not asked:
 * in Azure's AAD mode the caller's role is the authority, and the signer is shown in tokens.
 * @throws ServiceError InvalidOperation
 */
export async function openPolicyJws(jws: string): Promise<StoredPolicy> {
  const parts = jws.split('.')
  if (parts.length !== 3 || !parts.every((part) => /^[A-Za-z0-9_-]*$/.test(part)))
    throw malformed('The body is not a JWS in compact form.', 'three base64url parts')
  const header = readHeader(jws)
  if (header.alg === 'none') {
    if (parts[2] !== '') throw malformed('An unsigned JWS carries a signature.', 'an empty third part')
    return { jws, text: readText(Buffer.from(parts[1]!, 'base64url')) }
  }
  if (header.alg !== 'RS256')
    throw malformed('The algorithm of the JWS is not allowed.', 'none or RS256', String(header.alg))
  const certificate = Array.isArray(header.x5c) ? header.x5c[0] : undefined
  if (typeof certificate !== 'string') throw malformed('The signed JWS names no certificate.', 'x5c in the header')
  try {
    const pem = new X509Certificate(Buffer.from(certificate, 'base64')).toString()
    const key = await importX509(pem, 'RS256', { extractable: true })
    const { payload } = await compactVerify(jws, key, { algorithms: ['RS256'] })
    return {
      jws,
      text: readText(payload),
      signer: { ...(await exportJWK(key)), alg: 'RS256', use: 'sig', x5c: header.x5c! },
    }
  } catch (cause) {
    if (cause instanceof ServiceError) throw cause
    throw malformed('The signature of the JWS does not verify.', 'a signature by the key of x5c[0]', undefined, cause)
  }
}

function readHeader(jws: string): ReturnType<typeof decodeProtectedHeader> {
  try {
    return decodeProtectedHeader(jws)
  } catch (cause) {
    throw malformed('The header of the JWS is not JSON.', 'a JSON object', undefined, cause)
  }
}

function readText(payload: Uint8Array): string {
  let encoded: unknown
  try {
    encoded = (JSON.parse(Buffer.from(payload).toString('utf8')) as Record<string, unknown> | null)?.[
      'AttestationPolicy'
    ]
  } catch (cause) {
    throw malformed('The payload of the JWS is not JSON.', 'a JSON object', undefined, cause)
  }
  if (typeof encoded !== 'string' || !/^[A-Za-z0-9_-]+={0,2}$/.test(encoded))
    throw malformed('The payload of the JWS has no policy.', 'AttestationPolicy with the policy text as base64url')
  return Buffer.from(encoded, 'base64url').toString('utf8')
}

function malformed(message: string, expected: string, found?: string, cause?: unknown): ServiceError {
  return new ServiceError({
    code: 'InvalidOperation',
    status: 400,
    message,
    target: 'policy',
    expected,
    ...(found === undefined ? {} : { found }),
    remedy:
      'Send {"AttestationPolicy":"<base64url of the text>"} as a JWS, unsigned ({"alg":"none"}) or RS256 with x5c.',
    cause,
  })
}
