import { descriptionPath, openApiOf, routeOf, type Wire } from '@strongroom/contract/wires'
import type { FastifyInstance, RouteOptions } from 'fastify'

/** Fastify adds HEAD to every GET. */
const implied = new Set(['HEAD', 'OPTIONS'])

/** @throws TypeError if a route is undescribed, or a description has no route: such a server does not start */
export function requireSameRoutes(wire: Wire, served: Iterable<string>): void {
  const wrong = differences(wire, new Set(served))
  if (wrong.length > 0) throw new TypeError(`wire ${wire.name}: ${wrong.join('; ')}`)
}

/**
 * Serves a wire's description at /openapi.json, before any authentication hook: it contains no secret. Call before
 * adding the app's routes and hooks.
 * @param o.constants route constants in place of the wire's parameters, for example its tenant
 * @param o.routes those of a router within the app, in `routeOf` form
 * @throws TypeError when the app becomes ready, like `requireSameRoutes`
 */
export function serveWire(
  app: FastifyInstance,
  wire: Wire,
  o: { constants?: Readonly<Record<string, string>>; routes?: () => Iterable<string> } = {},
): void {
  // Made when first asked for: a start takes a tenth less time.
  let description: string | undefined
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.url === descriptionPath)
      await reply.type('application/json; charset=utf-8').send((description ??= JSON.stringify(openApiOf(wire))))
  })
  app.get(descriptionPath, async () => undefined)
  const served = new Set<string>()
  app.addHook('onRoute', (route) => {
    for (const name of namesOf(route)) served.add(withParameters(name, o.constants ?? {}))
  })
  app.addHook('onReady', async () => requireSameRoutes(wire, [...served, ...(o.routes?.() ?? [])]))
}

const withParameters = (route: string, constants: Readonly<Record<string, string>>): string =>
  Object.entries(constants).reduce((text, [name, value]) => text.replace(`/${value}/`, `/:${name}/`), route)

function namesOf({ method, url }: Pick<RouteOptions, 'method' | 'url'>): string[] {
  return [method].flat().flatMap((each) => (implied.has(each) ? [] : [routeOf({ method: each as 'GET', path: url })]))
}

/** Undescribed routes and descriptions without a route, one per line. */
function differences(wire: Wire, served: ReadonlySet<string>): string[] {
  const described = new Set(wire.operations.map(routeOf))
  const isOwn = (route: string): boolean => wire.owns === undefined || wire.owns.test(route)
  return [
    ...[...served].filter((route) => isOwn(route) && !described.has(route)).map((route) => `${route} is not described`),
    ...[...described].filter((route) => !served.has(route)).map((route) => `nothing answers ${route}`),
  ]
}
