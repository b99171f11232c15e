import { loginHost, managementHost } from '@strongroom/contract'
import {
  createHttpApp,
  requireBearer,
  ServiceError,
  toErrorBody,
  type Caller,
  type Logger,
  type TokenVerifier,
} from '@strongroom/platform'
import { metadataDocument } from '../resources/metadata.ts'
import type { Access } from './access.ts'
import type { ActivityLog } from './activity-log.ts'
import { requireApiVersion, type ArmReply, type ArmRequest, type Method } from './request.ts'
import { signedIn, type Route, Router } from './router.ts'

export type HttpApp = ReturnType<typeof createHttpApp>

/** What is read of the web framework's request. */
interface Request {
  url: string
  method: string
  headers: Record<string, string | string[] | undefined> & { host?: string | undefined }
  body: unknown
  caller: Caller
  id: string
}

/** What a management token may be made out to: Azure's clients differ in the host and in the last slash. */
export const managementAudiences: string[] = [
  'https://management.azure.com',
  'https://management.core.windows.net',
].flatMap((audience) => [audience, `${audience}/`])

/** The resource manager as a web application: token → route → role → handler → activity log. */
export function createArmApp(o: {
  logger: Logger
  verifier: TokenVerifier
  tenantId: string
  subscriptionId: string
  routes: Route[]
  access: Access
  activity: ActivityLog
}): HttpApp {
  const router = new Router(o.routes)
  const app = createHttpApp({ name: 'control-plane', logger: o.logger })

  // The two documents a client reads before it can sign in.
  app.get('/metadata/endpoints', async () => metadataDocument(o.tenantId))
  app.get('/aliases.json', async () => ({ outputs: { aliases: { value: { Linux: {} } } } }))

  void app.register(async (scope) => {
    scope.addHook(
      'onRequest',
      requireBearer({
        verifier: o.verifier,
        audiences: managementAudiences,
        challenge: () =>
          `Bearer authorization_uri="https://${loginHost}/${o.tenantId}", error="invalid_token", error_description="The authentication failed because of missing or invalid access token."`,
      }),
    )
    scope.route({
      method: ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE'],
      url: '/*',
      handler: async (request, reply) => {
        const answer = await answerRequest(toArmRequest(request))
        for (const [name, value] of Object.entries(answer.headers ?? {})) reply.header(name, value)
        reply.code(answer.status)
        return answer.body === undefined ? await reply.send() : await reply.send(answer.body)
      },
    })
  })

  async function answerRequest(request: ArmRequest): Promise<ArmReply> {
    const match = router.match(request.method, request.path)
    if (match === undefined) throw notFound(router, request)
    const action = match.route.action === signedIn ? 'signed-in' : match.route.action
    const changes = !action.toLowerCase().endsWith('/read') && action !== 'signed-in'
    const record = async (status: number): Promise<void> => {
      if (!changes && status !== 403) return
      const { caller, path, correlationId } = request
      await o.activity.write({ caller: caller.objectId, action, resourceId: path, status, correlationId })
    }
    try {
      requireApiVersion(request.query)
      const routed = { ...request, params: match.params }
      requireSubscription(request.path, o.subscriptionId)
      if (match.route.action !== signedIn) await o.access.require(request.caller, match.route.action, request.path)
      const answer = await match.route.handle(routed)
      await record(answer.status)
      return answer
    } catch (error) {
      await record(toErrorBody(error, request.correlationId).status)
      throw error
    }
  }
  return app
}

function requireSubscription(path: string, subscriptionId: string): void {
  const [, first, found] = path.split('/')
  if (first?.toLowerCase() !== 'subscriptions' || found === undefined) return
  if (found.toLowerCase() === subscriptionId.toLowerCase()) return
  throw new ServiceError({
    code: 'SubscriptionNotFound',
    status: 404,
    message: `The subscription '${found}' could not be found.`,
    remedy: 'Use the subscription that `strongroom status` shows.',
  })
}

function notFound(router: Router, request: ArmRequest): ServiceError {
  const methods = router.methods(request.path)
  if (methods.length > 0) {
    return new ServiceError({
      code: 'HttpMethodNotAllowed',
      status: 405,
      message: `The requested resource does not support http method '${request.method}'.`,
      expected: methods.join(', '),
      found: request.method,
      headers: { allow: methods.join(', ') },
    })
  }
  return new ServiceError({
    code: 'InvalidResourceType',
    status: 404,
    message: `The resource type of '${request.path.slice(0, 300)}' could not be found in this installation.`,
    remedy: 'List what exists with GET /subscriptions/{subscription}/providers.',
  })
}

function toArmRequest(request: Request): ArmRequest {
  const question = request.url.indexOf('?')
  const path = decodePath(question === -1 ? request.url : request.url.slice(0, question))
  const query: Record<string, string> = {}
  const text = question === -1 ? '' : request.url.slice(question + 1)
  for (const [name, value] of new URLSearchParams(text)) query[name.toLowerCase()] ??= value
  return {
    method: request.method as Method,
    path,
    origin: `https://${request.headers.host ?? managementHost}`,
    params: {},
    query,
    headers: request.headers,
    body: request.body,
    caller: request.caller,
    correlationId: request.id,
  }
}

/** An encoded slash or dot segment never becomes part of another path than the one that was authorised. */
function decodePath(path: string): string {
  const refuse = (): never => {
    throw new ServiceError({ code: 'InvalidRequestUri', status: 400, message: 'The request path is not well formed.' })
  }
  const parts = path.split('/').map((part) => {
    let decoded = part
    try {
      decoded = decodeURIComponent(part)
    } catch {
      refuse()
    }
    return decoded.includes('/') || decoded.includes('\\') || decoded === '.' || decoded === '..' ? refuse() : decoded
  })
  return parts.join('/').replace(/\/+$/, '') || '/'
}
