import { createHash, createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import type { Agent } from 'node:https'
import { loginHost } from '@strongroom/contract'
import { exchange } from '@strongroom/platform/http-client'

interface Token {
  token: string
  /** Milliseconds since 1970. */
  expiresOnTimestamp: number
}

const patience = { inAll: 30_000 }
const answerLimit = 64 * 1024
/** Validity of an assertion, and how long before its end a token is renewed, in seconds. */
const [assertionSeconds, earlySeconds] = [300, 60]
const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/**
 * Signs in as an application by a certificate (RFC 7523, with the header that Entra accepts), and caches tokens until
 * they expire.
 * @param o.pem key and certificate
 */
export function certificateSignIn(o: {
  tenantId: string
  clientId: string
  pem: string
  agent: Agent
}): (audience: string) => Promise<Token> {
  const kept = new Map<string, Token>()
  const url = new URL(`https://${loginHost}/${o.tenantId}/oauth2/v2.0/token`)
  const fetchToken = async (audience: string): Promise<Token> => {
    const form = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: o.clientId,
      scope: `${audience}/.default`,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertionOf({ ...o, audience: url.href }),
    })
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const body = Buffer.from(form.toString())
    const answer = await exchange({ method: 'POST', url, headers, body, agent: o.agent, patience, answerLimit })
    const reply = JSON.parse(answer.body.toString('utf8')) as {
      access_token: string
      expires_in: number
      error_description?: string
    }
    if (answer.status !== 200) throw new Error(`no token for ${audience}: ${reply.error_description ?? answer.status}`)
    return { token: reply.access_token, expiresOnTimestamp: Date.now() + reply.expires_in * 1000 }
  }
  return async (audience) => {
    const found = kept.get(audience)
    if (found !== undefined && found.expiresOnTimestamp - earlySeconds * 1000 > Date.now()) return found
    const fresh = await fetchToken(audience)
    kept.set(audience, fresh)
    return fresh
  }
}

function assertionOf(o: { clientId: string; pem: string; audience: string }): string {
  const thumbprint = createHash('sha256').update(new X509Certificate(o.pem).raw).digest('base64url')
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    iss: o.clientId,
    sub: o.clientId,
    aud: o.audience,
    jti: randomUUID(),
    nbf: now,
    exp: now + assertionSeconds,
  }
  const signed = `${encoded({ alg: 'RS256', typ: 'JWT', 'x5t#S256': thumbprint })}.${encoded(claims)}`
  return `${signed}.${sign('sha256', Buffer.from(signed), createPrivateKey(o.pem)).toString('base64url')}`
}
