import { X509Certificate } from 'node:crypto'
import { loginHost } from '@strongroom/contract'
import type { Clock } from '@strongroom/platform'
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWK, type JWTPayload } from 'jose'
import { certifiedClaims } from './certified-claims.ts'
import type { Credentials } from './directory/credentials.ts'
import { OAuthError } from './oauth/oauth-error.ts'
import { issuerKeys } from './federation/issuer-keys.ts'
import type { Principal } from './directory/principals.ts'
import type { FederatedCredentialRow } from './directory/store.ts'

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const assertionLimit = 16 * 1024
/**
 * Longer than any client uses; it limits how long a captured one is usable. An assertion may be reused while it is
 * valid, as in Entra (RFC 7523 section 3 leaves `jti` open): MSAL keeps one for all audiences.
 */
const mostSeconds = 24 * 3600
const toleranceSeconds = 60

export interface AssertionVerifier {
  /** @throws OAuthError if the assertion does not prove the application */
  verify(o: { principal: Principal; assertion: string; type: string | undefined }): Promise<void>
}

/**
 * RFC 7523: an application authenticates by a token signed with its certificate's key (issuer and subject are the
 * application), or by another issuer's token that one of its federated credentials names by issuer, subject and
 * audience.
 */
export function createAssertionVerifier(o: {
  credentials: Credentials
  clock: Clock
  tenantId: string
  /** This installation as an issuer: managed identities can be federated without a network. */
  own: { issuer: string; jwks: { keys: JWK[] } }
  fetchJson?: (url: string) => Promise<unknown>
}): AssertionVerifier {
  const readers = { clock: o.clock, ...(o.fetchJson !== undefined && { fetchJson: o.fetchJson }) }
  // The owner names issuers of applications; anyone who may write a managed identity names its issuers.
  const ofApplications = issuerKeys({ ...readers, publicOnly: false })
  const ofIdentities = issuerKeys({ ...readers, publicOnly: true })
  return {
    verify: async ({ principal: { appId, resourceId }, assertion, type }) => {
      if (type !== assertionType) {
        throw new OAuthError(
          'AADSTS900144',
          `The request body must contain 'client_assertion_type' with the value '${assertionType}'.`,
        )
      }
      if (assertion.length > assertionLimit) throw invalid('it is longer than 16 KiB')
      const issuer = claimed(assertion).iss
      if (typeof issuer !== 'string') throw invalid('it has no issuer')
      if (issuer.toLowerCase() === appId.toLowerCase()) await verifyCertified(o, appId, assertion)
      else {
        const keys = resourceId === undefined ? ofApplications : ofIdentities
        await verifyFederated(o, keys, appId, issuer, assertion)
      }
    },
  }
}

type Options = Parameters<typeof createAssertionVerifier>[0]

function claimed(assertion: string): JWTPayload {
  try {
    return decodeJwt(assertion)
  } catch {
    throw invalid('it is not a signed token')
  }
}

async function verifyCertified(o: Options, appId: string, assertion: string): Promise<void> {
  const header = decodeProtectedHeader(assertion)
  const now = o.clock.now()
  const rows = await o.credentials.certificates(appId)
  // MSAL for Python pads what RFC 7515 requires unpadded.
  const named = (value: unknown): string | undefined =>
    typeof value === 'string' ? value.replace(/={1,2}$/, '') : undefined
  const [sha1, sha256] = [named(header.x5t), named(header['x5t#S256'])]
  const row = rows.find((each) => (sha256 === undefined ? sha1 === each.sha1 : sha256 === each.sha256))
  if (row === undefined) throw invalid('its key does not belong to a certificate registered for the application')
  if (now < new Date(row.not_before) || now > new Date(row.not_after))
    throw invalid('its certificate is not currently valid')
  const { publicKey } = new X509Certificate(Buffer.from(row.der, 'base64'))
  const authorities = ['common', 'organizations', o.tenantId].map((tenant) => `https://${loginHost}/${tenant}`)
  // Audience signed by a client in a shell with Azure's own names (`strongroom env --public-names`).
  const publicAuthority = `https://login.microsoftonline.com/${o.tenantId}`
  const audiences = [...authorities, publicAuthority].flatMap((authority) => [
    `${authority}/oauth2/v2.0/token`,
    `${authority}/oauth2/token`,
    `${authority}/v2.0`,
    authority,
  ])
  const issuer = claimed(assertion).iss ?? ''
  const { subject, expires } = await certifiedClaims(assertion, publicKey, { audience: audiences, now, issuer }).catch(
    (error: unknown) => {
      throw invalid((error as Error).message)
    },
  )
  if (subject.toLowerCase() !== appId.toLowerCase()) throw invalid('its subject is a different application')
  if (expires - now.getTime() / 1000 > mostSeconds) throw invalid('it is valid for more than a day')
}

async function verifyFederated(
  o: Options,
  keys: ReturnType<typeof issuerKeys>,
  appId: string,
  issuer: string,
  assertion: string,
): Promise<void> {
  const { sub } = claimed(assertion)
  const rows = await o.credentials.federated(appId)
  const row = rows.find((each) => each.issuer === issuer && each.subject === sub)
  if (row === undefined) {
    throw new OAuthError(
      'AADSTS700213',
      `No matching federated identity record found for presented assertion issuer '${issuer.slice(0, 200)}' and ` +
        `subject '${String(sub).slice(0, 200)}'. Check your federated identity credential Subject, Audience and ` +
        'Issuer against the presented assertion.',
    )
  }
  const { kid } = decodeProtectedHeader(assertion)
  const jwks = row.issuer === o.own.issuer ? o.own.jwks : await readKeys(keys, row, kid)
  await check(assertion, createLocalJWKSet(jwks), { audience: [row.audience], now: o.clock.now(), issuer: row.issuer })
}

async function readKeys(
  keys: ReturnType<typeof issuerKeys>,
  row: FederatedCredentialRow,
  kid: string | undefined,
): Promise<{ keys: JWK[] }> {
  try {
    return await keys(row.issuer, kid)
  } catch (error) {
    if (error instanceof OAuthError) throw error
    throw invalid(`the keys of its issuer cannot be read: ${(error as Error).message.slice(0, 120)}`)
  }
}

async function check(
  assertion: string,
  key: Parameters<typeof jwtVerify>[1],
  o: { audience: string[]; issuer: string; now: Date },
): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(assertion, key, {
      algorithms: ['RS256', 'PS256', 'ES256'],
      audience: o.audience,
      issuer: o.issuer,
      currentDate: o.now,
      clockTolerance: toleranceSeconds,
      requiredClaims: ['exp', 'iss', 'sub', 'aud'],
    })
    return payload
  } catch (error) {
    if (error instanceof errors.JWTExpired) throw invalid('it has expired')
    if (error instanceof errors.JWTClaimValidationFailed)
      throw invalid(`its claim '${error.claim}' has the wrong value`)
    throw invalid('its signature does not verify')
  }
}

const invalid = (reason: string): OAuthError =>
  new OAuthError('AADSTS700027', `The client assertion failed validation: ${reason}.`)
