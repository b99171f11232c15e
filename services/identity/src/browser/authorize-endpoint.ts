import { signInErrors, type SignInCode } from '@strongroom/contract/errors'
import { forwardPrefix, loginHost } from '@strongroom/contract'
import type { Clock, FastifyInstance, FastifyReply, FastifyRequest } from '@strongroom/platform'
import { formOf, optional, required } from '../oauth/form.ts'
import { OAuthError, unknownTenant } from '../oauth/oauth-error.ts'
import type { SinglePageApp } from './single-page-apps.ts'
import type { SignIns } from './sign-ins.ts'

interface Options {
  apps: readonly SinglePageApp[]
  signIns: SignIns
  clock: Clock
  isTenant(name: string): boolean
}

const sessionCookie = 'strongroom-session'
const bindingLimit = 128

/**
 * GET and POST /{tenant}/oauth2/v2.0/authorize: the authorization code flow with PKCE (OpenID Connect Core section 3.1,
 * RFC 7636). The owner authenticates by `sign_in_code`, from the owner's socket, or by the session that it began; both
 * are form members in addition to the standard's, with `session_binding`, the page's half of the session. POST /logout
 * ends the session.
 */
export function addAuthorizeEndpoint(app: FastifyInstance, o: Options): void {
  const answer =
    (read: (request: FastifyRequest) => URLSearchParams) =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      try {
        const { tenant } = request.params as { tenant: string }
        if (!o.isTenant(tenant)) throw unknownTenant(tenant)
        return await authorize(o, read(request), request, reply)
      } catch (error) {
        if (error instanceof OAuthError) return error.send(request, reply, o.clock.now())
        throw error
      }
    }
  const path = '/:tenant/oauth2/v2.0/authorize'
  app.get(
    path,
    answer((request) => new URL(request.url, 'https://x').searchParams),
  )
  app.post(
    path,
    answer((request) => formOf(request.body)),
  )
  app.post('/:tenant/oauth2/v2.0/logout', async (request, reply) => {
    o.signIns.end(cookieOf(request))
    return reply.header('set-cookie', `${sessionCookie}=; Max-Age=0; ${attributes}`).code(204).send()
  })
}

async function authorize(
  o: Options,
  form: URLSearchParams,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const clientId = required(form, 'client_id').toLowerCase()
  const redirectUri = required(form, 'redirect_uri')
  const app = o.apps.find((each) => each.clientId === clientId)
  if (app === undefined) throw unknownApp(clientId)
  // Until here nobody is redirected: an unregistered address receives nothing.
  if (!app.redirectUris.includes(redirectUri)) throw wrongAddress(clientId)
  const back = (answer: Record<string, string>): FastifyReply => {
    const state = optional(form, 'state')
    const query = new URLSearchParams({ ...answer, ...(state !== undefined && { state }) })
    const mark = optional(form, 'response_mode') === 'fragment' ? '#' : '?'
    return reply.redirect(`${redirectUri}${mark}${query.toString()}`, 303)
  }
  const refuse = (code: SignInCode, words: string): FastifyReply =>
    back({ error: signInErrors[code].error, error_description: `${code}: ${words}` })
  if (optional(form, 'response_type') !== 'code') return refuse('AADSTS700054', "response_type must be 'code'.")
  const challenge = optional(form, 'code_challenge') ?? ''
  if (optional(form, 'code_challenge_method') !== 'S256' || !/^[A-Za-z0-9_-]{43}$/.test(challenge))
    return refuse(
      'AADSTS9002325',
      'Proof Key for Code Exchange (S256) is required for cross-origin authorization code redemption.',
    )
  const signedIn = signIn(o, form, request)
  if (signedIn === undefined) {
    return refuse(
      'AADSTS50058',
      'A silent sign-in request was sent but no user is signed in. As the owner, run: strongroom portal',
    )
  }
  if (signedIn.cookie !== undefined) reply.header('set-cookie', `${sessionCookie}=${signedIn.cookie}; ${attributes}`)
  const scope = optional(form, 'scope') ?? 'openid'
  return back({
    code: o.signIns.authorize({ clientId, redirectUri, challenge, scope, nonce: optional(form, 'nonce') }),
  })
}

/** By a one-time code, else by the session. */
function signIn(o: Options, form: URLSearchParams, request: FastifyRequest): { cookie?: string } | undefined {
  const binding = optional(form, 'session_binding') ?? ''
  if (binding.length < 22 || binding.length > bindingLimit) return undefined
  const code = optional(form, 'sign_in_code')
  if (code !== undefined) {
    const cookie = o.signIns.begin(code, binding)
    return cookie === undefined ? undefined : { cookie }
  }
  return o.signIns.holds(cookieOf(request), binding) ? {} : undefined
}

/** On the portal's origin, with this endpoint below the forwarding path, and sent nowhere else. */
const attributes = `Path=${forwardPrefix}${loginHost}/; HttpOnly; SameSite=Strict`

const cookieOf = (request: FastifyRequest): string =>
  new RegExp(`(?:^|; )${sessionCookie}=([A-Za-z0-9_-]{1,128})(?:;|$)`).exec(request.headers.cookie ?? '')?.[1] ?? ''

const unknownApp = (clientId: string): OAuthError =>
  new OAuthError(
    'AADSTS700016',
    `Application with identifier '${clientId.slice(0, 64)}' was not found in the directory 'Strongroom'.`,
  )

const wrongAddress = (clientId: string): OAuthError =>
  new OAuthError(
    'AADSTS50011',
    `The redirect URI specified in the request does not match the redirect URIs configured for the application '${clientId}'.`,
  )
