import { createHash, verify } from 'node:crypto'
import { authorityRemedy, ownSharedIssuer } from '@strongroom/contract'
import { ServiceError, type Clock } from '@strongroom/platform'
import {
  duplicateName,
  headerFault,
  kindFault,
  normalAuthority,
  timeFault,
  type TokenFault,
} from '@strongroom/release-policy'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { shown } from '../core/errors.ts'
import type { Authorities } from './authorities.ts'

const tokenLimit = 128 * 1024
const compactForm = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$/

export interface AttestationToken {
  /** SHA-256 of the compact form, hexadecimal. */
  digest: string
  claims: Record<string, unknown>
  /** The policy's authority that matches the issuer. */
  authority: string
}

export function tokenDigest(token: unknown): string {
  return createHash('sha256')
    .update(typeof token === 'string' ? token : '')
    .digest('hex')
}

/**
 * Verifies an attestation token: its issuer is one of the policy's authorities, it is signed with RS256 by a key that
 * this authority publishes, and it is within its validity.
 * @throws ServiceError 400 BadParameter (no token), 403 Forbidden (an unacceptable token)
 */
export async function verifyAttestationToken(o: {
  token: unknown
  authorities: string[]
  keys: Authorities
  clock: Clock
}): Promise<AttestationToken> {
  const { token } = o
  const digest = tokenDigest(token)
  if (typeof token !== 'string' || token === '' || token.length > tokenLimit) {
    throw malformed(
      `a token of at most ${tokenLimit} characters`,
      typeof token === 'string' ? `${token.length} characters` : shown(token),
    )
  }
  // RFC 7515 section 7.1. Decoders skip characters outside base64url, so that other text could decode to what was signed.
  if (!compactForm.test(token)) throw malformed('a JSON web token in compact form', 'something else')
  let header: Record<string, unknown>
  let unverified: Record<string, unknown>
  try {
    header = decodeProtectedHeader(token)
    unverified = decodeJwt(token)
  } catch {
    throw malformed('a JSON web token in compact form', 'something else')
  }
  // Another reader of the token may have kept the other member.
  for (const part of token.split('.').slice(0, 2)) {
    const twice = duplicateName(Buffer.from(part, 'base64url').toString())
    if (twice !== undefined) throw malformed('each name once', `${shown(twice)} twice`)
  }
  const issuer = o.keys.issuerOf(unverified.iss)
  const authority = issuer === undefined ? undefined : o.authorities.find((name) => o.keys.meant(name) === issuer)
  if (authority === undefined) {
    throw unverifiable(
      'iss',
      `one of the policy's authorities: ${shown(o.authorities.join(', '))}`,
      shown(unverified.iss),
      remedyFor(issuer, o.authorities),
    )
  }
  if (!o.keys.trusts(authority)) {
    throw unverifiable(
      'iss',
      'an attestation provider of this installation, or one named by its operator',
      shown(unverified.iss),
    )
  }
  refuseFor(headerFault(header))
  const kid = header.kid as string
  const key = await o.keys.key(authority, kid)
  if (!key) throw unverifiable('kid', `a key that ${authority} publishes`, shown(kid))
  const end = token.lastIndexOf('.')
  const [signed, signature] = [Buffer.from(token.slice(0, end)), Buffer.from(token.slice(end + 1), 'base64url')]
  // jose verifies through WebCrypto, whose jobs cost several times the RSA operation.
  if (!verify('sha256', signed, key, signature)) {
    throw unverifiable('signature', `a signature by the key ${shown(kid)} of ${authority}`, 'one that does not verify')
  }
  // The signed bytes are those decoded above.
  const claims = unverified
  refuseFor(kindFault(claims))
  refuseFor(timeFault(claims, Math.floor(o.clock.now().getTime() / 1000)))
  return { digest, claims, authority }
}

function refuseFor(fault: TokenFault | undefined): void {
  if (fault) throw unverifiable(fault.part, fault.expected, fault.found)
}

function malformed(expected: string, found: string): ServiceError {
  return new ServiceError({
    code: 'BadParameter',
    message: 'The target attestation token is not a valid token.',
    target: 'target',
    expected,
    found,
    remedy: 'Send the token from the attestation provider unchanged.',
  })
}

/** For a policy written for Azure: its name of this token's issuer means nothing here. */
function remedyFor(issuer: string | undefined, authorities: string[]): string | undefined {
  const azure = authorities
    .map((authority) => normalAuthority(authority) ?? '')
    .find((authority) => issuer !== undefined && ownSharedIssuer(authority) === issuer)
  return azure === undefined ? undefined : authorityRemedy(azure)
}

function unverifiable(part: string, expected: string, found: string, remedy?: string): ServiceError {
  return new ServiceError({
    code: 'Forbidden',
    message: 'Target environment attestation statement cannot be verified.',
    target: part,
    expected,
    found,
    details: [
      {
        code: 'KeyReleaseDenied',
        message: `The attestation token is refused because of its ${part}: expected ${expected}, found ${found}.`,
        target: part,
        innererror: { expected, found },
      },
    ],
    remedy: remedy ?? 'Attest again at a provider that the release policy names, and send its token.',
  })
}
