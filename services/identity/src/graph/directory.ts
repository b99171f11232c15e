import { principals as platformPrincipals } from '@strongroom/contract'
import { ServiceError, type FastifyRequest, type Logger, type TokenVerifier } from '@strongroom/platform'
import type { Credentials } from '../directory/credentials.ts'
import type { Directory } from '../directory/directory.ts'
import type { Principal, Principals } from '../directory/principals.ts'

export interface GraphOptions {
  logger: Logger
  verifier: TokenVerifier
  principals: Principals
  credentials: Credentials
  directory: Directory
  /** The only principal that may change the directory. */
  ownerObjectId: string
  tenantId: string
  newId(): string
}

/** In Graph's words; az recognises the code. */
export const missing = (id: string): ServiceError =>
  new ServiceError({
    code: 'Request_ResourceNotFound',
    message: `Resource '${id.slice(0, 80)}' does not exist or one of its queried reference-property objects are not present.`,
  })

/** No client sends longer ones, and parsing them takes quadratic time. */
const longestFilter = 1000

interface Condition {
  property: string
  value: string
  prefix: boolean
}

/**
 * `property eq 'value'`, `startswith(property,'value')` and `servicePrincipalNames/any(c:c eq 'value')`, joined by `and`: the
 * filters that az sends.
 * @throws ServiceError for others
 */
export function readFilter(request: FastifyRequest): Condition[] {
  const given = (request.query as Record<string, unknown>)['$filter']
  if (given === undefined || given === '') return []
  const filter = typeof given === 'string' ? given.trim() : '(repeated)'
  if (filter.length > longestFilter) throw unsupported(`${filter.slice(0, 60)}…`)
  // An `and` followed by an odd number of quotes is inside a value.
  return filter.split(/(?<!\s)\s+and\s+(?=(?:[^']*'[^']*')*[^']*$)/i).map(readCondition)
}

function readCondition(filter: string): Condition {
  const any = /^(\w+)\/any\(\s*(\w+)\s*:\s*\2 eq '((?:[^']|'')*)'\s*\)$/.exec(filter)
  const equal = /^(\w+) eq '((?:[^']|'')*)'$/.exec(filter)
  const starts = /^startswith\((\w+),\s*'((?:[^']|'')*)'\)$/i.exec(filter)
  const unquote = (value: string): string => value.replaceAll("''", "'").toLowerCase()
  if (any !== null) return { property: any[1]!, value: unquote(any[3]!), prefix: false }
  if (equal !== null) return { property: equal[1]!, value: unquote(equal[2]!), prefix: false }
  if (starts !== null) return { property: starts[1]!, value: unquote(starts[2]!), prefix: true }
  throw unsupported(filter)
}

const unsupported = (filter: string): ServiceError =>
  new ServiceError({
    code: 'Request_UnsupportedQuery',
    message: `Unsupported or invalid query filter clause specified for property: ${filter.slice(0, 120)}`,
    expected: "property eq 'value' or startswith(property,'value'), joined by and",
    found: filter.slice(0, 120),
  })

/** Whether a directory object matches a filter's values. */
export function fits(filter: readonly Condition[], object: Record<string, unknown>): boolean {
  return filter.every((condition) => {
    const held = object[condition.property]
    const values = (Array.isArray(held) ? held : [held]).map((value) => String(value).toLowerCase())
    return values.some((value) => (condition.prefix ? value.startsWith(condition.value) : value === condition.value))
  })
}

const platformApplications: ReadonlySet<string> = new Set(Object.values(platformPrincipals).map(({ appId }) => appId))

/**
 * Whether a principal is one of the tenant's own applications. Managed identities and the platform's services are not:
 * someone who could give the orchestrator a secret could release every VM's key.
 */
export function isApplication(principal: Principal): boolean {
  return principal.resourceId === undefined && !platformApplications.has(principal.appId)
}

/** The owner, managed identities and the platform's own services cannot be removed. */
export function assertRemovable(o: GraphOptions, principal: Principal): void {
  if (isApplication(principal) && principal.objectId !== o.ownerObjectId) return
  throw new ServiceError({
    code: 'Authorization_RequestDenied',
    message: `'${principal.displayName}' cannot be deleted.`,
    expected: 'an application of the tenant other than its owner',
    found: principal.resourceId === undefined ? 'the owner or a service of the platform' : 'a managed identity',
    remedy: 'A managed identity is deleted together with its resource.',
  })
}

export function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw invalid('body', 'a JSON object', Array.isArray(value) ? 'a list' : typeof value)
}

export function text(body: Record<string, unknown>, name: string, most: number): string {
  const value = body[name]
  if (typeof value === 'string' && value !== '' && value.length <= most) return value
  throw invalid(name, `a string of 1 to ${most} characters`, typeof value)
}

export const invalid = (target: string, expected: string, found: string): ServiceError =>
  new ServiceError({
    code: 'Request_BadRequest',
    message: `Invalid value specified for property '${target}'.`,
    target,
    expected,
    found,
    remedy: `Send ${expected}.`,
  })
