import { loginHost, managementHost } from '@strongroom/contract'
import { managerWire } from '@strongroom/contract/wires'
import {
  createHttpApp,
  requireBearer,
  serveWire,
  ServiceError,
  type Caller,
  type Logger,
  type TokenVerifier,
} from '@strongroom/platform'
import { aliasDocument, metadataDocument } from './metadata.ts'
import type { Dispatcher } from './dispatcher.ts'
import { faqPage } from './faq-rule.ts'
import { parseLongBody } from './body.ts'
import type { ArmRequest, Method } from './request.ts'
import type { Route } from './router.ts'
import { withoutFinalSlashes } from './ids/resource-id.ts'

/** Azure's limit on a template, which is the longest body. */
const bodyLimit = 4 * 1024 * 1024

/** az sends a template as it is in its file, including comments. Doubled slashes are already removed from the URL. */
const takesTemplates = (url: string): boolean => /\/microsoft\.resources\/deployments\//i.test(url)

export type HttpApp = ReturnType<typeof createHttpApp>

/** The parts of the web framework's request that are used. */
interface Request {
  url: string
  method: string
  headers: Record<string, string | string[] | undefined> & { host?: string | undefined }
  body: unknown
  caller: Caller
  id: string
  raw: { socket: { destroyed: boolean } }
}

/** Accepted audiences of a management token: Azure's clients differ in host and trailing slash. */
const managementAudiences: string[] = ['https://management.azure.com', 'https://management.core.windows.net'].flatMap(
  (audience) => [audience, `${audience}/`],
)

/** The resource manager as a web application: token → body → dispatcher. */
export function createArmApp(o: {
  logger: Logger
  verifier: TokenVerifier
  tenantId: string
  dispatcher: Dispatcher
  routes: () => readonly Route[]
}): HttpApp {
  const app = createHttpApp({ name: 'control-plane', logger: o.logger, bodyLimit })
  serveWire(app, managerWire, {
    routes: () => o.routes().map(({ method, path }) => `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`),
  })
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser<string>(
    'application/json',
    { parseAs: 'string' },
    async (request: { url: string }, body: string) =>
      await parseLongBody(body, { lenient: takesTemplates(request.url) }),
  )

  // The two documents a client reads before it can sign in.
  app.get('/metadata/endpoints', async () => metadataDocument(o.tenantId))
  app.get('/aliases.json', async () => aliasDocument())
  // Refusals link to it, and a refused caller may have no token.
  app.get('/docs/faq', async (_request, reply) => await reply.type('text/html; charset=utf-8').send(await faqPage()))

  void app.register(async (scope) => {
    scope.addHook(
      'onRequest',
      requireBearer({
        verifier: o.verifier,
        audiences: managementAudiences,
        challenge: () =>
          `Bearer authorization_uri="https://${loginHost}/${o.tenantId}", error="invalid_token", ` +
          'error_description="The authentication failed because of missing or invalid access token."',
      }),
    )
    scope.route({
      method: ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE'],
      url: '/*',
      handler: async (request, reply) => {
        const answer = await o.dispatcher.answer(toArmRequest(request))
        for (const [name, value] of Object.entries(answer.headers ?? {})) reply.header(name, value)
        reply.code(answer.status)
        return await reply.send(answer.body)
      },
    })
  })

  return app
}

function toArmRequest(request: Request): ArmRequest {
  const [path, ...rest] = request.url.split('?') as [string, ...string[]]
  const query: Record<string, string> = {}
  for (const [name, value] of new URLSearchParams(rest.join('?'))) query[name.toLowerCase()] ??= value
  return {
    method: request.method as Method,
    path: decodePath(path),
    origin: `https://${request.headers.host ?? managementHost}`,
    params: {},
    query,
    headers: request.headers,
    body: request.body,
    caller: request.caller,
    correlationId: correlationOf(request),
    isAbandoned: () => request.raw.socket.destroyed,
  }
}

/** The caller's own id, if it sent a valid one: it groups a run's entries in the activity log. */
function correlationOf(request: Request): string {
  const given = request.headers['x-ms-correlation-request-id']
  return typeof given === 'string' && /^[A-Za-z0-9-]{1,64}$/.test(given) ? given : request.id
}

/**
 * An encoded slash or dot segment must never become part of another path than the authorised one. The web framework has
 * refused what does not decode.
 */
function decodePath(path: string): string {
  const parts = path.split('/').map((part) => decodeURIComponent(part))
  if (parts.some((part) => /[/\\]|^\.{1,2}$/.test(part)))
    throw new ServiceError({ code: 'InvalidRequestUri', message: 'The request path is not well formed.' })
  return withoutFinalSlashes(parts.join('/')) || '/'
}
