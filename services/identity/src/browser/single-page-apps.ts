import { portalClient, portalHost, portalRedirectPath } from '@strongroom/contract'
import type { FastifyInstance, FastifyRequest } from '@strongroom/platform'
import { OAuthError } from '../oauth/oauth-error.ts'

/** An app registration of Entra's platform "single-page application": no secret, exact redirect addresses, PKCE. */
export interface SinglePageApp {
  clientId: string
  redirectUris: readonly string[]
}

/** @param localPort of the plain listener */
export const portalApp = (localPort: number): SinglePageApp => ({
  clientId: portalClient.appId,
  redirectUris: [`https://${portalHost}`, `http://localhost:${localPort}`, `http://127.0.0.1:${localPort}`].map(
    (origin) => origin + portalRedirectPath,
  ),
})

const originsOf = (apps: readonly SinglePageApp[]): Set<string> =>
  new Set(apps.flatMap(({ redirectUris }) => redirectUris.map((uri) => new URL(uri).origin)))

/**
 * A browser reports which page asks. Whoever stole a code of a single-page app cannot redeem it from another page.
 * @throws OAuthError invalid_request (AADSTS9002327)
 */
export function requireOrigin(apps: readonly SinglePageApp[], clientId: string, request: FastifyRequest): void {
  const app = apps.find((each) => each.clientId === clientId)
  if (app === undefined || originsOf([app]).has(request.headers.origin ?? '')) return
  throw new OAuthError(
    'AADSTS9002327',
    "Tokens issued for the 'Single-Page Application' client-type may only be redeemed via cross-origin requests of its own origin.",
  )
}

const shared = /\/(?:oauth2(?:\/v2\.0)?\/token|discovery(?:\/v2\.0)?\/keys|\.well-known\/openid-configuration)$/

/** Lets pages of these apps read responses of the token endpoint and discovery (CORS); nobody else's, and no cookies. */
export function allowOrigins(app: FastifyInstance, apps: readonly SinglePageApp[]): void {
  const origins = originsOf(apps)
  app.addHook('onRequest', async (request, reply) => {
    const { origin } = request.headers
    if (!shared.test((request.url.split('?', 1)[0] ?? '').toLowerCase())) return
    reply.header('vary', 'origin')
    if (origin !== undefined && origins.has(origin)) reply.header('access-control-allow-origin', origin)
  })
  app.options('/:tenant/oauth2/v2.0/token', async (_request, reply) =>
    reply
      .header('access-control-allow-methods', 'POST')
      .header('access-control-allow-headers', 'content-type')
      .header('access-control-max-age', '600')
      .code(204)
      .send(),
  )
}
