import { refuse, type Problem } from '../arm/fields.ts'
import { unchangeable, unsupported } from '../arm/refusals.ts'
import { locationKey } from '../arm/regions.ts'

/** Azure's default, and what else means the same: the only values at which a member is accepted. */
export class Only {
  readonly values: readonly (string | number | boolean)[]
  constructor(values: readonly (string | number | boolean)[]) {
    this.values = values
  }
}

export const only = (...values: (string | number | boolean)[]): Only => new Only(values)

/**
 * What becomes of a member in a request:
 * - `honoured`: the type reads it, and honours it or refuses its value;
 * - `fixed`: honoured at creation; later only with the value that the resource has;
 * - `kept`: stored and shown, and without effect. Never for access, sharing or identity;
 * - `shown`: Azure's answers have it, and Azure ignores it in requests;
 * - `Only`: accepted at Azure's default.
 *
 * All below a member that has one of these is of the same kind.
 */
export type Member = 'honoured' | 'fixed' | 'kept' | 'shown' | Only | Members

/** The members of a type's requests. Entries of lists are described like the list. All others are refused by name. */
export interface Members {
  readonly [name: string]: Member
}

/** What every resource shows, and clients send back. */
const envelope: Members = { id: 'shown', name: 'shown', type: 'shown', etag: 'shown', systemData: 'shown' }

/** A type's members: these besides what every resource has. Whoever lets the reader refuse another location says so. */
export const members = (own: Members, properties: Members = {}): Members => ({
  ...envelope,
  location: 'fixed',
  tags: 'honoured',
  ...own,
  properties: { provisioningState: 'shown', ...properties },
})

/** A reference to another resource. */
export const reference: Members = { ...envelope, id: 'honoured' }

/** Identities of a resource, as its reader takes them. */
export const identities: Members = {
  type: 'honoured',
  userAssignedIdentities: 'honoured',
  principalId: 'shown',
  tenantId: 'shown',
}

/** Members of a resource that is a part of another one. */
export const part = (properties: Members, own: Members = {}): Members => ({
  ...envelope,
  name: 'honoured',
  ...own,
  properties: { provisioningState: 'shown', ...properties },
})

/** The same where a change applies to what is made later. */
export const changeable = (of: Members): Members =>
  Object.fromEntries(
    Object.entries(of).map(([name, member]): [string, Member] => {
      if (member === 'fixed') return [name, 'honoured']
      return [name, typeof member === 'object' && !(member instanceof Only) ? changeable(member) : member]
    }),
  )

/** The same where such a part is written by itself: its path has its name. az's templates have a location, which it has not. */
export const alone = (of: Members): Members => ({ ...of, name: 'shown', location: 'shown' })

/** How many members one answer names. */
const mostNamed = 10

/**
 * Before a request is read: every member of it is known to have an effect, or none by a decision.
 * @param o.shown the existing resource as clients see it: what it shows may be sent back
 * @param o.changeable names of members that the request can change; default: all
 * @throws ServiceError NotSupported, PropertyChangeNotAllowed, with the names of the members
 */
export async function assertMembers(
  described: Members,
  body: unknown,
  o: { shown?: () => unknown; changeable?: readonly string[] | undefined } = {},
): Promise<void> {
  const judge = (shown: unknown): Problem[] => {
    const patched = o.changeable?.map((name) => name.toLowerCase())
    const problems: Problem[] = []
    judgeMembers(described, body, { path: '', shown, exists: o.shown !== undefined, changeable: patched, problems })
    return problems
  }
  const first = judge(undefined)
  const needsShown = first.length > 0 || hasEmptyList(body)
  const problems = needsShown && o.shown !== undefined ? judge(await o.shown()) : first
  if (problems.length > 0) throw refuse(problems.slice(0, mostNamed))
}

interface Judged {
  path: string
  /** What the resource shows at the path. */
  shown: unknown
  exists: boolean
  changeable: readonly string[] | undefined
  problems: Problem[]
}

function judgeMembers(tree: Members, value: unknown, o: Judged): void {
  if (Array.isArray(value)) {
    if (!canChange(o) && isShorter(value, o.shown)) o.problems.push(fixed(o, value))
    for (const [index, item] of value.entries()) {
      const shown = counterpart(o.shown, item, index)
      // A new entry of a list is made as in a new resource.
      const exists = o.exists && (shown !== undefined || !Array.isArray(o.shown))
      judgeMembers(tree, item, { ...o, path: `${o.path}[${index}]`, shown, exists })
    }
    return
  }
  // The type's reader refuses what is no object.
  if (!isObject(value)) return
  const byName = new Map(Object.entries(tree).map(([name, member]) => [name.toLowerCase(), member]))
  for (const [name, given] of Object.entries(value)) {
    const short = name.slice(0, 80)
    const at = { ...o, path: o.path === '' ? short : `${o.path}.${short}`, shown: memberOf(o.shown, name) }
    const member = byName.get(name.toLowerCase())
    const described = member !== undefined && !(member instanceof Only)
    // An empty list leaves open what is not described, and empties what is.
    if (isNothing(given) && !(described && (typeof member === 'object' || isEmptied(given, at.shown)))) continue
    if (at.shown !== undefined && isPartOf(given, at.shown, at.path)) continue
    judgeMember(member, given, at)
  }
}

function judgeMember(member: Member | undefined, given: unknown, o: Judged): void {
  const { path, problems } = o
  if (member === undefined) problems.push(withoutEffect(path))
  else if (member instanceof Only) {
    if (!member.values.some((value) => isPartOf(given, value, path)))
      problems.push(withoutEffect(path, member.values.map(String).join(', '), given))
  } else if (typeof member === 'object') judgeMembers(member, given, o)
  else if (member !== 'shown' && ((member === 'fixed' && o.exists) || !canChange(o))) problems.push(fixed(o, given))
}

const canChange = ({ path, changeable }: Judged): boolean =>
  changeable === undefined || changeable.includes(path.toLowerCase().split(/[.[]/)[0] ?? '')

function withoutEffect(path: string, expected?: string, given?: unknown): Problem {
  const name = path.split('.').at(-1) ?? path
  const what = expected === undefined ? `'${name}' has` : `Another value of '${name}' than Azure's default has`
  return unsupported(path, `${what} no effect here, so it is not accepted.`, {
    expected: expected ?? `no ${name}`,
    found: expected === undefined ? name : brief(given),
    remedy: `Omit ${name}.`,
  })
}

/** A value that the resource does not show is not repeated either: it may be a secret. */
function fixed({ path, shown }: Judged, given: unknown): Problem {
  const isText = shown !== undefined && !isObject(shown) && !isObject(given)
  return unchangeable(path.replace(/^properties\./, ''), {
    target: path,
    expected: isText ? brief(shown) : 'the value that the resource has',
    found: isText ? brief(given) : 'another value',
    remedy: 'Omit it, or create another resource.',
  })
}

const brief = (value: unknown): string => (isObject(value) ? 'another value' : String(value).slice(0, 120))

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

/** Whether a value leaves open what it is the value of. */
const isNothing = (value: unknown): boolean =>
  value === null || (isObject(value) && Object.values(value).every((each) => isNothing(each)))

/** Whether something in a body says that a list is empty. */
const hasEmptyList = (value: unknown): boolean =>
  isObject(value) && ((Array.isArray(value) && value.length === 0) || Object.values(value).some(hasEmptyList))

const isShorter = (given: unknown, shown: unknown): boolean =>
  Array.isArray(given) && Array.isArray(shown) && given.length < shown.length

const isEmptied = (given: unknown, shown: unknown): boolean =>
  Array.isArray(given) && given.length === 0 && isShorter(given, shown)

const memberOf = (shown: unknown, name: string): unknown =>
  isObject(shown) ? Object.entries(shown).find(([other]) => other.toLowerCase() === name.toLowerCase())?.[1] : undefined

const identifying = ['lun', 'name', 'id']

/** The shown entry of a list that an entry of a request is about: the one of its name, or at its place without a name. */
function counterpart(shown: unknown, item: unknown, index: number): unknown {
  if (!Array.isArray(shown)) return undefined
  const keys = identifying.filter((key) => !isNothing(memberOf(item, key) ?? null))
  if (keys.length === 0) return shown[index] as unknown
  return (shown as unknown[]).find((each) =>
    keys.every((key) => memberOf(each, key) === undefined || sameText(memberOf(each, key), memberOf(item, key))),
  )
}

const sameText = (a: unknown, b: unknown): boolean => String(a).toLowerCase() === String(b).toLowerCase()

/** Whether all that is given is shown. Names and texts are compared in any case, like Azure's. */
function isPartOf(given: unknown, shown: unknown, path: string): boolean {
  if (given === null) return true
  if (Array.isArray(given)) {
    if (!Array.isArray(shown)) return shown === undefined && given.length === 0
    return (
      given.length === shown.length &&
      given.every((item, index) => isPartOf(item, counterpart(shown, item, index), path))
    )
  }
  if (isObject(given))
    return (
      (isObject(shown) || isNothing(given)) &&
      Object.entries(given).every(([name, value]) => isPartOf(value, memberOf(shown, name), path))
    )
  if (shown === undefined || isObject(shown)) return false
  const isPlace = path === 'location' && typeof given === 'string' && typeof shown === 'string'
  return isPlace ? locationKey(given) === locationKey(shown) : sameText(given, shown)
}
