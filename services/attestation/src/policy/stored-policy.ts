import { createHash, verify, X509Certificate, type KeyObject } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import { decodeProtectedHeader, type JWK } from 'jose'
import { textOf } from '../core/text.ts'

/** A stored policy: the envelope as sent and the text in it. */
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

/** An opened envelope. */
export interface Envelope {
  jws: string
  payload: Uint8Array
  /** The signer; absent for an unsigned envelope. */
  signer?: { certificate: X509Certificate; jwk: JWK }
}

/**
 * Opens an envelope: unsigned, or RS256 with the certificate of its signer in `x5c`. Accepted signers are checked
 * elsewhere: in Azure's AAD mode the caller's role is the authority, and the signer is shown in tokens.
 * @throws ServiceError InvalidOperation
 */
export function openEnvelope(jws: string): Envelope {
  const { payload, x5c } = parseEnvelope(jws)
  if (x5c === undefined) return { jws, payload }
  const certificate = certificateFrom(x5c[0]!)
  const key = certificate?.publicKey
  const end = jws.lastIndexOf('.')
  const signature = Buffer.from(jws.slice(end + 1), 'base64url')
  // The certificate's key decides the algorithm, RSASSA-PKCS1-v1_5 with SHA-256; the header only names it.
  if (
    certificate === undefined ||
    !isSigningKey(key) ||
    !verify('sha256', Buffer.from(jws.slice(0, end)), key, signature)
  )
    throw malformed('The signature of the JWS does not verify.', 'a signature by the RSA key of x5c[0]')
  const jwk = { ...key.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', x5c }
  return { jws, payload, signer: { certificate, jwk } }
}

function certificateFrom(text: string): X509Certificate | undefined {
  try {
    return new X509Certificate(Buffer.from(text, 'base64'))
  } catch {
    return undefined
  }
}

/** RFC 7518 section 3.3: RSA of at least 2048 bits; a key for RSASSA-PSS alone is another type. */
const isSigningKey = (key: KeyObject | undefined): key is KeyObject =>
  key?.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048

/**
 * Reads an envelope before its signature is verified; `x5c` of a signed one is never empty.
 * @throws ServiceError InvalidOperation
 */
export function parseEnvelope(jws: string): { payload: Uint8Array; x5c?: string[] } {
  const parts = jws.split('.')
  if (parts.length !== 3 || !parts.every((part) => /^[A-Za-z0-9_-]*$/.test(part)))
    throw malformed('The body is not a JWS in compact form.', 'three base64url parts')
  const header = readHeader(jws)
  if (header.alg === 'none') {
    if (parts[2] !== '') throw malformed('An unsigned JWS carries a signature.', 'an empty third part')
    return { payload: Buffer.from(parts[1]!, 'base64url') }
  }
  // Azure's SDK for Python writes RSA256 for RS256.
  if (header.alg !== 'RS256' && header.alg !== 'RSA256')
    throw malformed('The algorithm of the JWS is not allowed.', 'none or RS256', String(header.alg))
  // RFC 7515 section 4.1.11: no extension is known here.
  if (header.crit !== undefined) throw malformed('The JWS has critical extensions.', 'no crit in the header', 'crit')
  return { payload: Buffer.from(parts[1]!, 'base64url'), x5c: signerOf(header) }
}

/** The signer's certificates: `x5c`, or `jwk.x5c` with the header of Azure's SDK for Python. */
function signerOf(header: ReturnType<typeof decodeProtectedHeader>): string[] {
  const jwk = header.jwk as { x5c?: unknown } | undefined
  const ofPython = header.alg === 'RSA256' ? jwk?.x5c : undefined
  if (ofPython !== undefined && header.x5c !== undefined)
    throw malformed('The signed JWS names its certificate twice.', 'x5c or jwk.x5c in the header', 'both')
  const x5c: unknown = ofPython ?? header.x5c
  if (!Array.isArray(x5c) || !x5c.every((each) => typeof each === 'string') || x5c.length === 0)
    throw malformed('The signed JWS names no certificate.', 'x5c in the header')
  return x5c
}

/** The policy in an envelope. @throws ServiceError InvalidOperation if there is none */
export function policyOf({ jws, payload, signer }: Envelope): StoredPolicy {
  return { jws, text: readText(payload), ...(signer === undefined ? {} : { signer: signer.jwk }) }
}

/** Names under which clients send a signer's certificate: the SDKs, the documentation's text, its sample. */
const certificateClaims = ['policyCertificate', 'x-ms-policyCertificate', 'maa-policyCertificate']

/** The JWK in an envelope that adds or removes a signer. @throws ServiceError InvalidOperation if there is none */
export function certificateOf({ payload }: Envelope): unknown {
  const json = readJson(payload)
  const claim = certificateClaims.find((name) => json?.[name] !== undefined)
  if (claim !== undefined) return json![claim]
  throw malformed(
    'Could not find "maa-policyCertificate" claim in policy token.',
    `one of ${certificateClaims.join(', ')} with a JWK`,
    json === null ? 'null' : Object.keys(json).join(', ').slice(0, 80) || 'no claim',
    undefined,
    'Send {"policyCertificate":{"kty":"RSA","x5c":["…"]}} as a JWS signed by one of the current certificates.',
  )
}

function readHeader(jws: string): ReturnType<typeof decodeProtectedHeader> {
  try {
    return decodeProtectedHeader(jws)
  } catch (cause) {
    throw malformed('The header of the JWS is not JSON.', 'a JSON object', undefined, cause)
  }
}

function readJson(payload: Uint8Array): Record<string, unknown> | null {
  try {
    const json = JSON.parse(Buffer.from(payload).toString('utf8')) as unknown
    if (typeof json === 'object' && !Array.isArray(json)) return json as Record<string, unknown> | null
  } catch (cause) {
    throw malformed('The payload of the JWS is not JSON.', 'a JSON object', undefined, cause)
  }
  throw malformed('The payload of the JWS is not an object.', 'a JSON object')
}

function readText(payload: Uint8Array): string {
  const encoded = readJson(payload)?.['AttestationPolicy']
  if (typeof encoded !== 'string' || !/^[A-Za-z0-9_-]+={0,2}$/.test(encoded))
    throw malformed('The payload of the JWS has no policy.', 'AttestationPolicy with the policy text as base64url')
  try {
    return textOf(Buffer.from(encoded, 'base64url'))
  } catch (cause) {
    throw malformed('The policy is not UTF-8.', 'UTF-8 text', undefined, cause)
  }
}

function malformed(
  message: string,
  expected: string,
  found?: string,
  cause?: unknown,
  remedy = 'Send {"AttestationPolicy":"<base64url of the text>"} as a JWS, unsigned ({"alg":"none"}) or RS256 with x5c.',
): ServiceError {
  return new ServiceError({
    code: 'InvalidOperation',
    message,
    target: 'policy',
    expected,
    ...(found === undefined ? {} : { found }),
    remedy,
    cause,
  })
}
