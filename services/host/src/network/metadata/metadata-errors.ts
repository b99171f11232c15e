import {
  ServiceError,
  toErrorBody,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from '@strongroom/platform'
import { VersionRefused } from './metadata-versions.ts'

type Shape = (message: string, error: unknown) => Record<string, unknown>

/** `{ "error": "…" }` with the newest api-versions if the version was refused. */
const instanceShape: Shape = (message, error) => ({
  error: message,
  ...(error instanceof VersionRefused && { 'newest-versions': error.newest }),
})

/** OAuth's shape (RFC 6749 section 5.2), used by the identity part of the endpoint. */
const identityShape: Shape = (message, error) => ({
  error: error instanceof ServiceError && error.status < 500 ? oauthCode(error) : 'server_error',
  error_description: message,
})

const oauthCode = (error: ServiceError): string =>
  error.code === 'InvalidResource' ? 'invalid_resource' : 'invalid_request'

/** Makes every route of a scope answer refusals, and unknown paths, like Azure's metadata service. */
export function answerErrors(scope: FastifyInstance, kind: 'instance' | 'identity'): void {
  const shape = kind === 'instance' ? instanceShape : identityShape
  const answer = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const { status, body, headers, unexpected } = toErrorBody(error, request.id)
    if (unexpected) request.log.error({ err: error }, 'request failed')
    for (const [name, value] of Object.entries(headers ?? {})) reply.header(name, value)
    return reply
      .code(status)
      .type('application/json; charset=utf-8')
      .send(shape(sentence(body.error), error))
  }
  scope.setErrorHandler(answer)
  scope.setNotFoundHandler((request, reply) => answer(notFound(request), request, reply))
}

/** Clients show one text, so it includes the remedy. */
function sentence(error: { message: string; innererror?: { remedy?: string } }): string {
  const remedy = error.innererror?.remedy
  return remedy === undefined ? error.message : `${error.message} ${remedy}`
}

const methods = new Set(['GET', 'HEAD'])

function notFound(request: FastifyRequest): ServiceError {
  if (methods.has(request.method)) return new ServiceError({ code: 'NotFound', message: 'Not found' })
  return new ServiceError({ code: 'MethodNotAllowed', message: 'Method not allowed' })
}

/**
 * A proxy or a browser that was lured here does not send the header, and a proxy adds the other one (Azure's rule
 * against request forgery). Microsoft's own clients request TD quotes without it: a quote covers a report of this TD,
 * which a request forger cannot create. @throws ServiceError BadRequest
 */
export function requireDirectCall(request: FastifyRequest): void {
  if (request.headers['x-forwarded-for'] !== undefined) {
    throw new ServiceError({
      code: 'BadRequest',
      message: 'Bad request. Requests with an X-Forwarded-For header are not served',
      target: 'X-Forwarded-For',
      expected: 'a request not forwarded by a proxy',
    })
  }
  if (/^(\/metadata)?\/acc\/tdquote$/.test(request.routeOptions.url ?? '')) return
  const header = request.headers['metadata']
  if (typeof header === 'string' && header.toLowerCase() === 'true') return
  throw new ServiceError({
    code: 'BadRequest',
    message: 'Bad request. Required metadata header not specified',
    target: 'Metadata',
    expected: 'Metadata: true',
  })
}
