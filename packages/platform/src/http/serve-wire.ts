import { descriptionPath, openApiOf, routeOf, type Wire } from '@strongroom/contract/wires'
import type { FastifyInstance, RouteOptions } from 'fastify'

/** Fastify adds HEAD by itself to every GET. */
const implied = new Set(['HEAD', 'OPTIONS'])

/** @throws TypeError where a route is not described, or a description has no route: such a server does not start */
export function requireSameRoutes(wire: Wire, served: Iterable<string>): void {
  const wrong = differences(wire, new Set(served))
  if (wrong.length > 0) throw new TypeError(`wire ${wire.name}: ${wrong.join('; ')}`)
}

/**
 * Serves the description of a wire of ours at /openapi.json, before any hook asks who calls: it holds no secret. To be called
 * before the routes and the hooks of the app are added.
 * @param o.constants what stands in the routes in place of a parameter of the wire, for example its tenant
 * @param o.routes those of a router within the app, as `routeOf` writes them
 * @throws TypeError when the app is made ready, as `requireSameRoutes`
 */
export function serveWire(
  app: FastifyInstance,
  wire: Wire,
  o: { constants?: Readonly<Record<string, string>>; routes?: () => Iterable<string> } = {},
): void {
  const description = JSON.stringify(openApiOf(wire))
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.url === descriptionPath)
      await reply.type('application/json; charset=utf-8').send(description)
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

/** Routes without a description and descriptions without a route, a line each. */
function differences(wire: Wire, served: ReadonlySet<string>): string[] {
  const described = new Set(wire.operations.map(routeOf))
  const isOwn = (route: string): boolean => wire.owns === undefined || wire.owns.test(route)
  return [
    ...[...served].filter((route) => isOwn(route) && !described.has(route)).map((route) => `${route} is not described`),
    ...[...described].filter((route) => !served.has(route)).map((route) => `nothing answers ${route}`),
  ]
}
