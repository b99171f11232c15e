import { signal, type ReadonlySignal } from '@preact/signals'
import { loginHost, managementAudience, portalClient, portalRedirectPath, type ErrorCode } from '@strongroom/contract'
import { ask } from './ask.ts'
import { WireError } from './wire-error.ts'
import { challengeOf, claimsOf, random } from './pkce.ts'

interface Person {
  name: string
  objectId: string
  tenantId: string
}

export type Session = { state: 'checking' } | { state: 'out'; why?: WireError } | { state: 'in'; person: Person }

interface TokenReply {
  access_token: string
  refresh_token?: string
  id_token?: string
  expires_in: number
}

/** How further tokens are fetched. Only in this page's memory, like the tokens. */
type Grant = { kind: 'person'; refreshToken: string } | { kind: 'application'; appId: string; secret: string }

const endpoint = (name: string): string => `https://${loginHost}/organizations/oauth2/v2.0/${name}`
/** The page's half of the identity service's session: useless without its cookie, which no script can read. */
const bindingKey = 'strongroom.session-binding'

const current = signal<Session>({ state: 'checking' })
export const session: ReadonlySignal<Session> = current
let grant: Grant | undefined
const tokens = new Map<string, { token: string; expiresAt: number }>()

function binding(): string {
  const kept = localStorage.getItem(bindingKey)
  if (kept !== null) return kept
  const made = random()
  localStorage.setItem(bindingKey, made)
  return made
}

/** Authorization code flow with PKCE (OpenID Connect), through fetch: no address with a code stays in the history. */
async function authorize(more: Record<string, string>): Promise<TokenReply> {
  const [verifier, state, nonce] = [random(), random(), random()]
  const redirectUri = location.origin + portalRedirectPath
  const { url } = await ask({
    method: 'POST',
    url: endpoint('authorize'),
    accept: 'text',
    body: new URLSearchParams({
      client_id: portalClient.appId,
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: `openid offline_access ${managementAudience}/.default`,
      code_challenge: await challengeOf(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      prompt: 'none',
      session_binding: binding(),
      ...more,
    }),
  })
  const answer = new URL(url).searchParams
  const error = answer.get('error')
  if (error !== null)
    throw new WireError(401, { code: error as ErrorCode, message: answer.get('error_description') ?? 'Not signed in.' })
  if (answer.get('state') !== state)
    throw new WireError(401, { code: 'StateMismatch', message: 'The response belongs to another sign-in.' })
  const { body } = await ask<TokenReply>({
    method: 'POST',
    url: endpoint('token'),
    body: new URLSearchParams({
      client_id: portalClient.appId,
      grant_type: 'authorization_code',
      code: answer.get('code') ?? '',
      redirect_uri: redirectUri,
      code_verifier: verifier,
    }),
  })
  if (claimsOf(body.id_token ?? '')['nonce'] !== nonce)
    throw new WireError(401, { code: 'NonceMismatch', message: 'The token belongs to another sign-in.' })
  return body
}

function keep(audience: string, reply: TokenReply): string {
  // A token is not used in its last minute.
  tokens.set(audience, { token: reply.access_token, expiresAt: Date.now() + (reply.expires_in - 60) * 1000 })
  return reply.access_token
}

function enter(reply: TokenReply, how: Grant): void {
  grant = how
  keep(managementAudience, reply)
  const claims = claimsOf(reply.access_token)
  const text = (name: string): string => (typeof claims[name] === 'string' ? claims[name] : '')
  const person = { name: text('name') || text('app_displayname'), objectId: text('oid'), tenantId: text('tid') }
  current.value = { state: 'in', person }
}

/** By a one-time code from the owner's shell. @throws WireError */
export async function signInByCode(code: string): Promise<void> {
  const reply = await authorize({ sign_in_code: code })
  enter(reply, { kind: 'person', refreshToken: reply.refresh_token ?? '' })
}

/** As a service principal, by the client credentials grant. @throws WireError */
export async function signInAsApplication(appId: string, secret: string): Promise<void> {
  const how = { kind: 'application', appId, secret } as const
  enter(await fetchToken(how, managementAudience), how)
}

/** No answer, too many requests, or a starting service: retried, so that one lost answer does not end a session. */
const passing: ReadonlySet<number> = new Set([0, 429, 502, 503])

async function untilAnswered<Reply>(request: () => Promise<Reply>): Promise<Reply> {
  for (;;) {
    try {
      return await request()
    } catch (error) {
      if (!(error instanceof WireError) || !passing.has(error.status)) throw error
      await new Promise((done) => setTimeout(done, 1000))
    }
  }
}

/** At page load: by the code in the address, else by the session from another page in this browser. */
export async function resume(): Promise<void> {
  const code = /^#sign-in=([A-Za-z0-9_-]{20,100})$/.exec(location.hash)?.[1]
  if (code !== undefined) history.replaceState(null, '', location.pathname + location.search)
  try {
    if (code !== undefined) await signInByCode(code)
    else {
      const reply = await untilAnswered(async () => await authorize({}))
      enter(reply, { kind: 'person', refreshToken: reply.refresh_token ?? '' })
    }
  } catch (error) {
    if (!(error instanceof WireError)) throw error
    const silent = code === undefined && error.code === 'login_required'
    current.value = { state: 'out', ...(!silent && { why: error }) }
  }
}

async function fetchToken(how: Grant, audience: string): Promise<TokenReply> {
  const scope = `${audience}/.default`
  const body =
    how.kind === 'person'
      ? { client_id: portalClient.appId, grant_type: 'refresh_token', refresh_token: how.refreshToken, scope }
      : { client_id: how.appId, grant_type: 'client_credentials', client_secret: how.secret, scope }
  return (await ask<TokenReply>({ method: 'POST', url: endpoint('token'), body: new URLSearchParams(body) })).body
}

/** The principal's token for a service. An expired session shows the sign-in. @throws WireError */
export async function tokenFor(audience: string): Promise<string> {
  const kept = tokens.get(audience)
  if (kept !== undefined && kept.expiresAt > Date.now()) return kept.token
  const asked = fetching.get(audience) ?? fetchKept(audience).finally(() => fetching.delete(audience))
  fetching.set(audience, asked)
  return await asked
}

/** Concurrent requests of a page wait for one token. */
const fetching = new Map<string, Promise<string>>()

async function fetchKept(audience: string): Promise<string> {
  if (grant === undefined) throw new WireError(401, { code: 'NotSignedIn', message: 'Nobody is signed in.' })
  try {
    return keep(audience, await fetchToken(grant, audience))
  } catch (error) {
    if (error instanceof WireError && (error.status === 400 || error.status === 401)) leave(error)
    throw error
  }
}

/** A service rejected the token: the next one is fetched again. */
export function forgetToken(audience: string): void {
  tokens.delete(audience)
}

function leave(why?: WireError): void {
  grant = undefined
  tokens.clear()
  current.value = { state: 'out', ...(why !== undefined && { why }) }
}

/** Ends the session here and at the identity service. */
export async function signOut(): Promise<void> {
  localStorage.removeItem(bindingKey)
  leave()
  await ask({ method: 'POST', url: endpoint('logout') }).catch(() => undefined)
}
