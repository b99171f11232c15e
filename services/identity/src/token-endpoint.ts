import { setTimeout as sleep } from 'node:timers/promises'
import { loginHost } from '@strongroom/contract'
import {
  limitedAddress,
  type Clock,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from '@strongroom/platform'
import { audienceOfScope } from './oauth/audience.ts'
import type { AssertionVerifier } from './client-assertion.ts'
import { requireGranted, type DeviceCodes } from './device/device-codes.ts'
import { Failures } from './failures.ts'
import { formOf, optional, required } from './oauth/form.ts'
import { grantedTo } from './device/granted.ts'
import { OAuthError, unknownTenant } from './oauth/oauth-error.ts'
import { secretLimit, type Principal, type Principals } from './directory/principals.ts'
import { requireOrigin, type SinglePageApp } from './browser/single-page-apps.ts'
import type { SignIns } from './browser/sign-ins.ts'
import type { IssuedToken, TokenIssuer } from './tokens/tokens.ts'

const deviceGrants = ['device_code', 'urn:ietf:params:oauth:grant-type:device_code']
/** Grants that Entra has and this installation lacks, as opposed to unknown ones. */
const knownGrants = ['password', 'urn:ietf:params:oauth:grant-type:jwt-bearer']
const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

type Version = 'v1' | 'v2'

interface Options {
  principals: Principals
  assertions: AssertionVerifier
  devices: DeviceCodes
  /** Clients without a secret, whose tokens go only to their own pages. */
  apps: readonly SinglePageApp[]
  signIns: SignIns
  issuer: TokenIssuer
  clock: Clock
  tenantId: string
  isTenant(name: string): boolean
  /** The person who approves device codes. */
  owner: Principal
}

/** POST /{tenant}/oauth2/v2.0/token (scope), /{tenant}/oauth2/token (resource), and the two device code endpoints. */
export function addTokenEndpoint(app: FastifyInstance, o: Options): void {
  const failures = new Failures(o.clock)
  const answer =
    (work: (request: FastifyRequest, form: URLSearchParams) => Promise<object>) =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      reply.header('pragma', 'no-cache')
      try {
        const { tenant } = request.params as { tenant: string }
        if (!o.isTenant(tenant)) throw unknownTenant(tenant)
        return await reply.send(await work(request, formOf(request.body)))
      } catch (error) {
        if (error instanceof OAuthError) return error.send(request, reply, o.clock.now())
        throw error
      }
    }
  const token = (version: Version): ReturnType<typeof answer> =>
    answer(async (request, form) => {
      const grant = required(form, 'grant_type')
      if (grant === 'client_credentials') return await signInApplication(o, failures, version, request, form)
      if (deviceGrants.includes(grant)) return await redeemDevice(o, version, form)
      if (grant === 'authorization_code') return await redeemCode(o, version, request, form)
      if (grant === 'refresh_token') return await refresh(o, version, request, form)
      throw unknownGrant(grant)
    })
  const device = (version: Version): ReturnType<typeof answer> =>
    answer(async (request, form) => await begin(o, version, form, limitedAddress(request.raw.socket)))
  app.post('/:tenant/oauth2/v2.0/token', token('v2'))
  app.post('/:tenant/oauth2/token', token('v1'))
  app.post('/:tenant/oauth2/v2.0/devicecode', device('v2'))
  app.post('/:tenant/oauth2/devicecode', device('v1'))
}

async function signInApplication(
  o: Options,
  failures: Failures,
  version: Version,
  request: FastifyRequest,
  form: URLSearchParams,
): Promise<object> {
  const audience = audienceOf(form, version)
  const given = credentials(request, form)
  // The holder of the secret never waits because of guesses.
  const principal = await authenticate(o, given).catch(async (error: unknown) => {
    failures.add(given.appId)
    await failures.pause(given.appId, sleep)
    throw error
  })
  failures.clear(given.appId)
  const issued = await o.issuer.access(principal, audience, {
    kind: 'app',
    proof: 'secret' in given ? 'secret' : 'certificate',
  })
  return tokenReply(version, issued, audience)
}

async function authenticate(o: Options, given: Given): Promise<Principal> {
  if ('secret' in given) {
    const principal = await o.principals.authenticate(given.appId, given.secret)
    if (typeof principal !== 'string') return principal
    throw principal === 'UnknownApplication' ? unknownApplication(given.appId) : wrongSecret(given.appId)
  }
  const principal = await o.principals.byAppId(given.appId)
  if (principal === undefined) throw unknownApplication(given.appId)
  await o.assertions.verify({ ...given, principal })
  return principal
}

async function begin(o: Options, version: Version, form: URLSearchParams, caller: string): Promise<object> {
  const clientId = clientOf(form)
  audienceOf(form, version)
  const scope = version === 'v1' ? `${required(form, 'resource')}/.default` : required(form, 'scope')
  const { deviceCode, userCode, expiresIn } = await o.devices.begin({ clientId, scope, caller })
  const message =
    `To sign in, review and approve the code ${userCode} as the owner of this installation: ` +
    `strongroom env --approve ${userCode}`
  return {
    user_code: userCode,
    device_code: deviceCode,
    verification_uri: `https://${loginHost}/device`,
    verification_url: `https://${loginHost}/device`,
    expires_in: expiresIn,
    interval: 1,
    message,
  }
}

async function redeemDevice(o: Options, version: Version, form: URLSearchParams): Promise<object> {
  const clientId = clientOf(form)
  const deviceCode = optional(form, 'device_code') ?? required(form, 'code')
  const { scope } = await o.devices.redeem({ deviceCode, clientId })
  const { audiences } = grantedTo(clientId, scope)
  const refreshToken = await o.devices.refreshToken({ clientId, appId: o.owner.appId, audiences })
  const audience = audienceOfScope(scope) ?? ''
  return await personReply(o, version, { clientId, principal: o.owner, audience, refreshToken })
}

/** RFC 6749 section 4.1.3 with RFC 7636; a single-page app's refresh token lasts a day, as in Entra. */
async function redeemCode(
  o: Options,
  version: Version,
  request: FastifyRequest,
  form: URLSearchParams,
): Promise<object> {
  const clientId = clientOf(form)
  requireOrigin(o.apps, clientId, request)
  const { scope, nonce } = o.signIns.redeem({
    code: required(form, 'code'),
    clientId,
    redirectUri: required(form, 'redirect_uri'),
    verifier: required(form, 'code_verifier'),
  })
  const asked = optional(form, 'scope') ?? scope
  const audience = audienceOfScope(asked)
  if (audience === undefined) throw invalidScope()
  const { audiences } = grantedTo(clientId, scope)
  requireGranted(audiences, audience)
  const refreshToken = await o.devices.refreshToken({ clientId, appId: o.owner.appId, audiences, hours: 24 })
  return await personReply(o, version, { clientId, principal: o.owner, audience, refreshToken, nonce })
}

async function refresh(o: Options, version: Version, request: FastifyRequest, form: URLSearchParams): Promise<object> {
  const clientId = clientOf(form)
  requireOrigin(o.apps, clientId, request)
  const token = required(form, 'refresh_token')
  const audience = audienceOf(form, version)
  const principal = await o.principals.byAppId(await o.devices.refresh({ token, clientId, audience }))
  if (principal === undefined) throw unknownApplication(clientId)
  return await personReply(o, version, { clientId, principal, audience, refreshToken: token })
}

/** What a client receives for a person: access token, id token, and a refresh token. */
async function personReply(
  o: Options,
  version: Version,
  p: { clientId: string; principal: Principal; audience: string; refreshToken: string; nonce?: string | undefined },
): Promise<object> {
  const { clientId, principal, audience } = p
  const issued = await o.issuer.access(principal, audience, { kind: 'person', clientId })
  const info = { uid: principal.objectId, utid: o.tenantId }
  return {
    ...tokenReply(version, issued, audience),
    scope: `${audience}/.default`,
    refresh_token: p.refreshToken,
    id_token: await o.issuer.id(principal, clientId, p.nonce),
    client_info: Buffer.from(JSON.stringify(info)).toString('base64url'),
  }
}

function tokenReply(version: Version, token: IssuedToken, audience: string): object {
  if (version === 'v2') {
    return {
      token_type: 'Bearer',
      expires_in: token.expiresIn,
      ext_expires_in: token.expiresIn,
      access_token: token.accessToken,
    }
  }
  return {
    token_type: 'Bearer',
    expires_in: String(token.expiresIn),
    ext_expires_in: String(token.expiresIn),
    expires_on: String(token.expiresOn),
    not_before: String(token.expiresOn - token.expiresIn),
    resource: audience,
    access_token: token.accessToken,
  }
}

function clientOf(form: URLSearchParams): string {
  const clientId = required(form, 'client_id')
  if (guid.test(clientId)) return clientId.toLowerCase()
  throw unknownApplication(clientId)
}

function unknownGrant(grant: string): OAuthError {
  if (!knownGrants.includes(grant)) return new OAuthError('AADSTS70003', 'The app requested an unsupported grant type.')
  return new OAuthError(
    'AADSTS70001',
    `The grant '${grant}' is not offered by this installation; sign in as a service principal (client_credentials) or by device code.`,
  )
}

function audienceOf(form: URLSearchParams, version: Version): string {
  if (version === 'v1') return required(form, 'resource').slice(0, 512)
  const audience = audienceOfScope(required(form, 'scope'))
  if (audience !== undefined) return audience
  throw invalidScope()
}

const invalidScope = (): OAuthError =>
  new OAuthError(
    'AADSTS1002012',
    'The provided value for scope is not valid. Client credential flows must have a scope value with /.default ' +
      'suffixed to the resource identifier (application ID URI).',
  )

type Given = { appId: string; secret: string } | { appId: string; assertion: string; type: string | undefined }

/** From the body, or from a Basic header (RFC 6749 section 2.3.1: both parts are form-encoded in it). */
function credentials(request: FastifyRequest, form: URLSearchParams): Given {
  const basic = /^basic +([A-Za-z0-9+/=_-]+)$/i.exec(request.headers.authorization ?? '')?.[1]
  let appId = optional(form, 'client_id')
  let secret = optional(form, 'client_secret')
  const assertion = optional(form, 'client_assertion')
  if (basic !== undefined && secret === undefined) {
    const decoded = Buffer.from(basic, 'base64').toString('utf8')
    const colon = decoded.indexOf(':')
    appId = formDecode(decoded.slice(0, Math.max(colon, 0)))
    secret = formDecode(decoded.slice(colon + 1))
  }
  if (appId === undefined || appId === '') return { appId: required(form, 'client_id'), secret: '' }
  if (!guid.test(appId)) throw unknownApplication(appId)
  if (secret === undefined || secret === '') {
    if (assertion !== undefined) return { appId, assertion, type: optional(form, 'client_assertion_type') }
    throw new OAuthError(
      'AADSTS7000216',
      "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
    )
  }
  if (secret.length > secretLimit) throw wrongSecret(appId)
  return { appId, secret }
}

function formDecode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

function wrongSecret(appId: string): OAuthError {
  return new OAuthError(
    'AADSTS7000215',
    'Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not ' +
      `the client secret ID, for a secret added to app '${appId}'.`,
  )
}

function unknownApplication(appId: string): OAuthError {
  return new OAuthError(
    'AADSTS700016',
    `Application with identifier '${appId.slice(0, 64)}' was not found in the directory 'Strongroom'.`,
  )
}
