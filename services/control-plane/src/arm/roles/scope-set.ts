/** An installation has one management group, its tenant's root, which contains its subscription. */
const managementGroup = /^\/providers\/microsoft\.management\/managementgroups\/[^/]+$/

/** Whether an assignment at `scope` covers `path`: equal, or above it at a segment boundary. */
export const covers = (scope: string, path: string): boolean =>
  scope === '/' ||
  path === scope ||
  path.startsWith(`${scope}/`) ||
  (path.startsWith('/subscriptions/') && managementGroup.test(scope))

/** The scopes at which somebody has a right. A look-up takes as long as the id, however many scopes there are. */
export class ScopeSet {
  readonly #scopes: ReadonlySet<string>
  /** Of the tenant or a management group: these contain every subscription. */
  readonly #coversSubscriptions: boolean

  /** @param scopes keys */
  constructor(scopes: readonly string[]) {
    this.#scopes = new Set(scopes)
    this.#coversSubscriptions = scopes.some((scope) => covers(scope, '/subscriptions/any'))
  }

  /** Whether one of them is the resource or lies above it. @param key of a resource in a subscription */
  covers(key: string): boolean {
    if (this.#coversSubscriptions) return true
    for (let end = key.length; end > 0; end = key.lastIndexOf('/', end - 1))
      if (this.#scopes.has(key.slice(0, end))) return true
    return false
  }
}
