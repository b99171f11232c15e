import type { Attributes } from './roles/condition/condition.ts'
import type { ArmReply, ArmRequest, Method } from './request.ts'

/** Routes for any verified caller, because their answer shows only what that caller may see. */
export const signedIn: unique symbol = Symbol('signed in')

export interface Route {
  method: Method
  /** Literal segments match in any case; {name} matches one segment. */
  path: string
  /** The action that the caller must be allowed at the path's scope. There is no default. */
  action: string | typeof signedIn
  /**
   * What conditions of role assignments can ask of the request: an assignment has to allow it by each of these. Absent
   * for routes of which they can only ask the action. It is read before the caller's right is known, and never throws
   * for a body's faults.
   */
  attributes?: (request: ConditionedRequest) => Promise<Attributes[]>
  handle(request: ArmRequest): Promise<ArmReply>
}

export type ConditionedRequest = Pick<ArmRequest, 'path' | 'params' | 'body'>

type RouteOf = (
  path: string,
  action: Route['action'],
  handle: Route['handle'],
  more?: Pick<Route, 'attributes'>,
) => Route

const routeOf =
  (method: Method): RouteOf =>
  (path, action, handle, more) => ({ method, path, action, handle, ...more })

/** A route by its method. */
export const route: Record<Lowercase<Method>, RouteOf> = {
  get: routeOf('GET'),
  head: routeOf('HEAD'),
  put: routeOf('PUT'),
  patch: routeOf('PATCH'),
  post: routeOf('POST'),
  delete: routeOf('DELETE'),
}

export interface Match {
  route: Route
  /** The path with the route's spelling of literal segments: ids look the same for every client. */
  path: string
  params: Record<string, string>
}

interface Compiled {
  route: Route
  segments: ({ literal: string; spelled: string } | { param: string })[]
}

/** Routes by method and number of segments; literal segments take precedence over parameters, from the left. */
export class Router {
  readonly #routes = new Map<string, Compiled[]>()

  constructor(routes: Route[]) {
    for (const route of routes) {
      const segments = split(route.path).map((text) =>
        text.startsWith('{') ? { param: text.slice(1, -1) } : { literal: text.toLowerCase(), spelled: text },
      )
      const key = `${route.method} ${segments.length}`
      const list = this.#routes.get(key) ?? []
      list.push({ route, segments })
      list.sort((a, b) => rank(a).localeCompare(rank(b)))
      this.#routes.set(key, list)
    }
  }

  /** Undefined if no route has this path and method. */
  match(method: Method, path: string): Match | undefined {
    const parts = split(path)
    const lower = parts.map((part) => part.toLowerCase())
    for (const { route, segments } of this.#routes.get(`${method} ${parts.length}`) ?? []) {
      if (!segments.every((segment, index) => !('literal' in segment) || segment.literal === lower[index])) continue
      const params: Record<string, string> = {}
      const spelled = segments.map((segment, index) => {
        const part = parts[index]!
        if ('literal' in segment) return segment.spelled
        params[segment.param] = part
        return part
      })
      return { route, params, path: `/${spelled.join('/')}` }
    }
    return undefined
  }

  /** Methods of the path, for 405. */
  methods(path: string): Method[] {
    const all: Method[] = ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE']
    return all.filter((method) => this.match(method, path) !== undefined)
  }
}

const split = (path: string): string[] => path.split('/').filter((part) => part !== '')
const rank = (compiled: Compiled): string => compiled.segments.map((s) => ('literal' in s ? '0' : '1')).join('')
