import { loginHost } from '@strongroom/contract'
import type { Clock, TokenSource, WireClient } from '@strongroom/platform'

export interface PrincipalSecret {
  appId: string
  secret: string
}

interface TokenReply {
  access_token: string
  expires_in: number
}

/** Tokens of the platform's own principals by client credentials; their secrets are only in this process's memory. */
export function createTokenSource(options: {
  wire: WireClient
  clock: Clock
  tenantId: string
  secrets: Record<'orchestrator' | 'controlPlane' | 'attestation', PrincipalSecret>
}): TokenSource {
  const cached = new Map<string, { token: string; madeAt: number; renewAt: number }>()
  return {
    token: async (principal, audience) => {
      const key = `${principal} ${audience}`
      const now = options.clock.now().getTime()
      const held = cached.get(key)
      // If the clock was set back, by its daemon or by a test, a token lies in the future, and nobody accepts it.
      if (held !== undefined && held.madeAt <= now && held.renewAt > now) return held.token
      const { appId, secret } = options.secrets[principal]
      const form = new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: appId,
        client_secret: secret,
        scope: `${audience}/.default`,
      })
      const reply = await options.wire.request<TokenReply>({
        method: 'POST',
        url: `https://${loginHost}/${options.tenantId}/oauth2/v2.0/token`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
      })
      cached.set(key, {
        token: reply.body.access_token,
        madeAt: now,
        renewAt: now + (reply.body.expires_in - 120) * 1000,
      })
      return reply.body.access_token
    },
  }
}
