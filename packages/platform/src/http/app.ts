import { randomUUID } from 'node:crypto'
import { fastify, LogController, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { ServiceError, toErrorBody } from '../errors/errors.ts'
import type { Logger } from '../log/logger.ts'
import { allowedJsonValues, countJsonValues, mostJsonValues } from '../limits/json-values.ts'
import type { Caller } from './bearer.ts'
import { normaliseUrl } from './url.ts'

/**
 * A web application that speaks Azure's wire: error envelope, x-ms-request-id, routes matched in any case with
 * doubled and trailing slashes removed, JSON bodies that may be empty.
 */
export function createHttpApp(o: { name: string; logger: Logger; bodyLimit?: number }): FastifyInstance {
  const logger = o.logger.child({ service: o.name })
  const app = fastify({
    loggerInstance: logger,
    // One line per request would contain the query, which may hold secrets; onResponse below logs what is needed.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    // Bodies are checked by the services' own schemas; Fastify would load ajv and fast-json-stringify for its own.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    bodyLimit: o.bodyLimit ?? 1024 * 1024,
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    rewriteUrl: (request) => normaliseUrl(request.url ?? '/'),
    routerOptions: { caseSensitive: false, ignoreTrailingSlash: true, maxParamLength: 512 },
    // Refused by find-my-way before any hook runs, so the envelope is created here.
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      const wire = toErrorBody(error, request.id)
      void reply.code(wire.status).header('x-ms-request-id', request.id).send(wire.body)
    },
  }) as unknown as FastifyInstance

  const callers = new WeakMap<object, Caller>()
  app.decorateRequest('caller', {
    getter(this: FastifyRequest): Caller {
      const caller = callers.get(this)
      if (!caller) throw new TypeError('request.caller was read on a route that is not behind requireBearer')
      return caller
    },
    setter(this: FastifyRequest, caller: Caller): void {
      callers.set(this, caller)
    },
  } as never)

  acceptEmptyJson(app)

  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-ms-request-id', request.id)
    const correlation = request.headers['x-ms-correlation-request-id']
    reply.header('x-ms-correlation-request-id', isId(correlation) ? correlation : request.id)
    const client = request.headers['x-ms-client-request-id']
    if (request.headers['x-ms-return-client-request-id'] === 'true' && isId(client)) {
      reply.header('x-ms-client-request-id', client)
    }
    reply.header('cache-control', 'no-store')
    reply.header('x-content-type-options', 'nosniff')
  })

  app.addHook('onResponse', async (request, reply) => {
    const status = reply.statusCode
    const line = {
      method: request.method,
      path: pathOf(request.url),
      status,
      milliseconds: Math.round(reply.elapsedTime),
    }
    if (status >= 500) request.log.warn(line, 'request')
    else request.log.info(line, 'request')
  })

  app.setErrorHandler((error, request, reply) => {
    const wire = toErrorBody(error, request.id)
    if (wire.unexpected) request.log.error({ err: error }, 'request failed')
    for (const [name, value] of Object.entries(wire.headers ?? {})) reply.header(name, value)
    // The body of a refused request may still be arriving; no connection is kept open for it.
    if (wire.status === 413) reply.header('connection', 'close')
    return reply
      .code(wire.status)
      .header('x-ms-error-code', wire.body.error.code)
      .type('application/json; charset=utf-8')
      .send(wire.body)
  })

  app.setNotFoundHandler((request) => {
    throw new ServiceError({
      code: 'NotFound',
      message: `There is no ${request.method} ${pathOf(request.url)} here.`,
      remedy: 'Check the path and the method.',
    })
  })
  return app
}

/** A route with a Fastify schema would go unchecked, so it stops the server's start. */
function noSchemas(): never {
  throw new TypeError('routes have no Fastify schemas here: check the body in the handler')
}

/** Clients send `Content-Type: application/json` on requests without a body (az: POST and DELETE). */
function acceptEmptyJson(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body.trim() === '') done(null, undefined)
    else if (countJsonValues(body) > mostJsonValues) done(tooManyValues(), undefined)
    else void parse(request, body, done)
  })
}

const tooManyValues = (): ServiceError =>
  new ServiceError({
    code: 'InvalidRequestContent',
    message: 'The request content has too many values.',
    expected: allowedJsonValues,
    found: `more than ${mostJsonValues}`,
    remedy: 'Send less at once.',
  })

/** What may be echoed into a header: an id, not arbitrary text. */
function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9-]{1,64}$/.test(value)
}

/** The query may contain secrets and is not repeated. */
function pathOf(url: string): string {
  return url.split('?', 1)[0]!.slice(0, 512)
}
