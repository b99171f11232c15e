import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock, FastifyInstance, FastifyReply, FastifyRequest } from '@strongroom/platform'
import { audienceOfScope } from './audience.ts'
import { OAuthError } from './oauth-error.ts'
import { Failures } from './failures.ts'
import { secretLimit, type Principals } from './principals.ts'
import type { IssueToken } from './tokens.ts'

/** Grants that Entra has and this installation has not: told apart from nonsense. */
const knownGrants = [
  'authorization_code',
  'refresh_token',
  'password',
  'device_code',
  'urn:ietf:params:oauth:grant-type:device_code',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
]

/** POST /{tenant}/oauth2/v2.0/token (scope) and /{tenant}/oauth2/token (resource). */
export function addTokenEndpoint(
  app: FastifyInstance,
  o: { principals: Principals; issue: IssueToken; clock: Clock; isTenant(name: string): boolean },
): void {
  const failures = new Failures(o.clock)
  const handle =
    (version: 'v1' | 'v2') =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      reply.header('pragma', 'no-cache')
      try {
        const { tenant } = request.params as { tenant: string }
        if (!o.isTenant(tenant)) throw unknownTenant(tenant)
        const form = formOf(request.body)
        checkGrant(form)
        const audience = audienceOf(form, version)
        const { appId, secret } = credentials(request, form)
        await failures.pause(appId, sleep)
        const principal = await o.principals.authenticate(appId, secret)
        if (typeof principal === 'string') {
          failures.add(appId)
          throw principal === 'UnknownApplication' ? unknownApplication(appId) : wrongSecret(appId)
        }
        failures.clear(appId)
        const token = await o.issue(principal, audience)
        if (version === 'v2') {
          return await reply.send({
            token_type: 'Bearer',
            expires_in: token.expiresIn,
            ext_expires_in: token.expiresIn,
            access_token: token.accessToken,
          })
        }
        return await reply.send({
          token_type: 'Bearer',
          expires_in: String(token.expiresIn),
          ext_expires_in: String(token.expiresIn),
          expires_on: String(token.expiresOn),
          not_before: String(token.expiresOn - token.expiresIn),
          resource: audience,
          access_token: token.accessToken,
        })
      } catch (error) {
        if (error instanceof OAuthError) return error.send(request, reply, o.clock.now())
        throw error
      }
    }
  app.post('/:tenant/oauth2/v2.0/token', handle('v2'))
  app.post('/:tenant/oauth2/token', handle('v1'))
}

function formOf(body: unknown): URLSearchParams {
  if (body instanceof URLSearchParams) return body
  throw new OAuthError({
    status: 400,
    error: 'invalid_request',
    number: 900144,
    message: "The request body must be a form that contains the following parameter: 'grant_type'.",
  })
}

function single(form: URLSearchParams, name: string): string | undefined {
  const values = form.getAll(name)
  if (values.length <= 1) return values[0] === '' ? undefined : values[0]
  // RFC 6749 section 3.2: parameters must not be repeated.
  throw new OAuthError({
    status: 400,
    error: 'invalid_request',
    number: 9000411,
    message: `The parameter '${name}' is duplicated.`,
  })
}

function required(form: URLSearchParams, name: string): string {
  const value = single(form, name)
  if (value !== undefined) return value
  throw new OAuthError({
    status: 400,
    error: 'invalid_request',
    number: 900144,
    message: `The request body must contain the following parameter: '${name}'.`,
  })
}

function checkGrant(form: URLSearchParams): void {
  const grant = required(form, 'grant_type')
  if (grant === 'client_credentials') return
  const known = knownGrants.includes(grant)
  throw new OAuthError({
    status: 400,
    error: known ? 'unauthorized_client' : 'unsupported_grant_type',
    number: known ? 70001 : 70003,
    message: known
      ? `The grant '${grant}' is not offered by this installation; sign in as a service principal (client_credentials).`
      : 'The app requested an unsupported grant type.',
  })
}

function audienceOf(form: URLSearchParams, version: 'v1' | 'v2'): string {
  if (version === 'v1') return required(form, 'resource').slice(0, 512)
  const audience = audienceOfScope(required(form, 'scope'))
  if (audience !== undefined) return audience
  throw new OAuthError({
    status: 400,
    error: 'invalid_scope',
    number: 1002012,
    message:
      'The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).',
  })
}

/** From the body, or from a Basic header (RFC 6749 section 2.3.1: both parts are form-encoded in it). */
function credentials(request: FastifyRequest, form: URLSearchParams): { appId: string; secret: string } {
  const basic = /^basic +([A-Za-z0-9+/=_-]+)$/i.exec(request.headers.authorization ?? '')?.[1]
  let appId = single(form, 'client_id')
  let secret = single(form, 'client_secret')
  if (basic !== undefined && secret === undefined) {
    const decoded = Buffer.from(basic, 'base64').toString('utf8')
    const colon = decoded.indexOf(':')
    appId = formDecode(decoded.slice(0, Math.max(colon, 0)))
    secret = formDecode(decoded.slice(colon + 1))
  }
  if (appId === undefined || appId === '') return { appId: required(form, 'client_id'), secret: '' }
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(appId)) throw unknownApplication(appId)
  if (secret === undefined || secret === '') {
    const assertion = form.has('client_assertion')
    throw new OAuthError({
      status: 401,
      error: 'invalid_client',
      number: assertion ? 700_027 : 7_000_216,
      message: assertion
        ? 'The client assertion cannot be validated: this application has no certificate or federated credential.'
        : "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
    })
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
  return new OAuthError({
    status: 401,
    error: 'invalid_client',
    number: 7000215,
    message: `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${appId}'.`,
  })
}

function unknownApplication(appId: string): OAuthError {
  return new OAuthError({
    status: 400,
    error: 'unauthorized_client',
    number: 700016,
    message: `Application with identifier '${appId.slice(0, 64)}' was not found in the directory 'Strongroom'.`,
  })
}

export function unknownTenant(tenant: string): OAuthError {
  return new OAuthError({
    status: 400,
    error: 'invalid_request',
    number: 90002,
    message: `Tenant '${tenant.slice(0, 64)}' not found. Check to make sure you have the correct tenant ID.`,
  })
}
