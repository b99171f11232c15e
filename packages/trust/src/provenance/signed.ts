import { releaseSigningUsage, type LatestLaunch } from '@strongroom/contract'
import {
  equal,
  parseJwks,
  parsePem,
  toHex,
  utf8,
  verifyCertifiedJws,
  verifyKeyRelease,
  verifyPath,
  verifyToken,
  parseCertificate,
  type Certificate,
  type Jwk,
  type KeyRelease,
  type TrustAnchor,
  type TrustAnchors,
} from '@strongroom/evidence'
import {
  publisherAuthority,
  verifyBootFile,
  verifyFirmwareList,
  verifyImageMeasurements,
  type BootFileDocument,
  type FirmwareList,
  type ImageMeasurements,
} from '@strongroom/evidence/expected'
import { sha256Hex } from './bytes.ts'
import { vouch, type Known } from './known.ts'
import { LinkNotChecked, LinkRefused, refuseUnless } from './link.ts'

export type TokenClaims = Readonly<Record<string, unknown>>

/** A claim of a verified token, by a name that the caller's text has. */
export const claimOf = (claims: Known<TokenClaims>, name: string): Known<unknown> => vouch(claims.value[name], claims)

/** Fetches the provider's key set at `{issuer}/certs`, as JSON. */
export type FetchKeySet = (issuer: string) => Promise<unknown>

export const signedMeasurements = async (
  jws: string,
  { images = [] }: TrustAnchors,
): Promise<Known<ImageMeasurements>> => vouch(await verifyImageMeasurements({ jws, keys: images }), 'pinned key')

export const signedFirmwareList = async (jws: string, { images = [] }: TrustAnchors): Promise<Known<FirmwareList>> =>
  vouch(await verifyFirmwareList({ jws, keys: images }), 'pinned key')

/**
 * An update by the image's publisher alone: whoever the signed measurements name as signer of the image's own boot file.
 * @throws LinkRefused AnotherPublisher; VerificationError, ParseError
 */
export async function signedBootFile(
  jws: string,
  certificate: Uint8Array,
  named: Known<ImageMeasurements>,
): Promise<Known<BootFileDocument>> {
  const authority = await publisherAuthority(certificate)
  const expected = named.value.variables.on.authority
  refuseUnless(expected !== undefined && equal(authority, expected), {
    code: 'AnotherPublisher',
    message: 'The boot file that ran is not signed by the image’s publisher.',
    expected: expected === undefined ? 'an image with a publisher' : toHex(expected),
    actual: toHex(authority),
  })
  return vouch(await verifyBootFile({ jws, certificate }), named)
}

/** The vault's signed answer: by its own key for releases. The CA certifies TLS and attestation keys as well. */
export async function signedRelease(o: { jws: string; at: Date; root: TrustAnchor }): Promise<Known<KeyRelease>> {
  const { jws, at } = o
  const { release } = await verifyKeyRelease({ jws, at, roots: [o.root], signer: 'any', usage: releaseSigningUsage })
  return vouch(release, 'pinned key')
}

/** Which launch opened the guest state last, by the key that signs releases. @throws LinkRefused, VerificationError, ParseError */
export async function signedLatestLaunch(o: {
  jws: string
  at: Date
  root: TrustAnchor
}): Promise<Known<LatestLaunch>> {
  const { jws, at, root } = o
  const certified = await verifyCertifiedJws({ jws, at, roots: [root], signer: 'any', usage: releaseSigningUsage })
  const { latestLaunch } = JSON.parse(new TextDecoder().decode(certified.jws.payload)) as {
    latestLaunch?: LatestLaunch
  }
  // The same key signs releases.
  if (latestLaunch === undefined)
    throw new LinkRefused({
      code: 'AnswerMalformed',
      message: 'The key service signed something other than the latest launch.',
    })
  return vouch(latestLaunch, 'pinned key')
}

/** @throws VerificationError, ParseError */
export async function certifiedBy(
  der: Uint8Array,
  o: { certificate: Certificate; root: TrustAnchor; at: Date },
): Promise<Known<Certificate>> {
  const certificate = parseCertificate(der)
  await verifyPath({ chain: [certificate, o.certificate], anchors: [o.root], at: o.at })
  return vouch(certificate, 'pinned key')
}

/**
 * Stored evidence contains a key set too, but whoever changes the token can change it with the token: only the
 * provider's published keys count.
 */
export async function signedToken(o: {
  token: string
  issuer: Known<string>
  fetchKeySet: FetchKeySet
  at: Date
}): Promise<{
  claims: Known<TokenClaims>
  keyId: Known<string>
  issuedAt: Known<Date | undefined>
  keys: Known<readonly Jwk[]>
}> {
  const issuer = o.issuer.value
  const keys = await publishedKeys(issuer, o.fetchKeySet)
  const { claims, keyId, issuedAt } = await verifyToken({ token: o.token, issuer, keys, at: o.at })
  const known = <T>(value: T): Known<T> => vouch(value, 'published key', o.issuer)
  return { claims: known(claims), keyId: known(keyId), issuedAt: known(issuedAt), keys: known(keys) }
}

async function publishedKeys(issuer: string, fetchKeySet: FetchKeySet): Promise<Jwk[]> {
  try {
    return parseJwks(await fetchKeySet(issuer))
  } catch (error) {
    throw new LinkNotChecked(`The keys of ${issuer} are unavailable: ${(error as Error).message}`)
  }
}

/**
 * What a guest that trusts the pinned authority alone settles of it: SHA-256 of its certificate as the guest was given it.
 * @returns undefined if the text is of another certificate
 */
export async function pinnedAuthorityDigest(pem: string, { raw }: Certificate): Promise<Known<string> | undefined> {
  const [der = new Uint8Array()] = parsePem(pem)
  return equal(der, raw) ? vouch(await sha256Hex(utf8(pem)), 'pinned key') : undefined
}
