import { setImmediate as breathe } from 'node:timers/promises'
import { keyOf, withoutFinalSlashes } from '../arm/ids/resource-id.ts'
import { evaluate, evaluateValue, isResourceCall, loopCount, type Scope } from './evaluate.ts'
import { callsIn, isExpression, parseExpression } from './expression.ts'
import { at } from './ids.ts'
import { normalName, ResourceNames, unordered } from './resource-names.ts'
import { TemplateError } from './template-error.ts'
import { isObject, memberOf, textOf, type Obj, type Value } from './values.ts'

/** A planned resource: its id is known, its body is evaluated when it is deployed. */
export interface PlannedResource {
  id: string
  key: string
  type: string
  name: string
  apiVersion: string
  /** Its symbolic name in the template. */
  symbol: string | undefined
  /** The loop that created it. */
  loop: string | undefined
  /** Only referenced, never written. */
  existing: boolean
  raw: Obj
  scope: Scope
  /** Keys of the resources that must exist first. */
  after: Set<string>
}

interface Draft extends PlannedResource {
  dependsOn: string[]
}

/** Azure's limits: resources, their characters with unrolled loops, and (ours) the length of one id. */
const resourceLimit = 800
const sizeLimit = 4 * 1024 * 1024
const idLimit = 4_000

/** Resources excluded by conditions, by every name that others may depend on. */
interface Skipped {
  names: ReadonlySet<string>
  unordered: ReadonlySet<string>
}

/** A template's resources with conditions and loops resolved, unordered, each with its dependencies. */
export async function planResources(template: Obj, scope: Scope): Promise<PlannedResource[]> {
  const listed = memberOf(template, 'resources')?.value ?? []
  const entries: [string | undefined, Value][] = Array.isArray(listed)
    ? listed.map((each) => [undefined, each as Value])
    : isObject(listed)
      ? Object.entries(listed)
      : []
  const drafts: Draft[] = []
  const skipped = new Set<string>()
  const size = { left: sizeLimit }
  for (const [symbol, raw] of entries) await draft({ raw, symbol, scope, drafts, skipped, size, parent: undefined })
  if (drafts.length > resourceLimit)
    throw new TemplateError(`The template has more than ${resourceLimit} resources`, { found: String(drafts.length) })
  refuseDuplicates(drafts)
  const left = { names: skipped, unordered: new Set([...skipped].map(unordered)) }
  for (const [index, each] of drafts.entries()) {
    if (index % 50 === 49) await breathe()
    // Each name once: a loop's name refers to hundreds.
    const names = new Map(each.dependsOn.map((name) => [normalName(name), name]))
    for (const wanted of names.values()) addDependency(each, wanted, drafts, left)
    await addImplicit(each, drafts)
  }
  refuseCycles(drafts)
  return drafts
}

interface Drafting {
  raw: Value
  symbol: string | undefined
  scope: Scope
  drafts: Draft[]
  /** Resources excluded by conditions. */
  skipped: Set<string>
  /** Characters still allowed. */
  size: { left: number }
  parent: { type: string; name: string; key: string } | undefined
}

async function draft(o: Drafting): Promise<void> {
  if (!isObject(o.raw)) throw new TemplateError('A resource of the template is not an object')
  const copy = memberOf(o.raw, 'copy')?.value
  const characters = o.parent === undefined ? JSON.stringify(o.raw).length : 0
  if (!isObject(copy)) {
    take(o.size, characters)
    await draftOne(o, o.raw, undefined)
    return
  }
  const loop = textOf(await evaluateValue(memberOf(copy, 'name')?.value, o.scope))
  const count = await loopCount(copy, o.scope)
  const serial = textOf(memberOf(copy, 'mode')?.value).toLowerCase() === 'serial'
  const batch = memberOf(copy, 'batchSize')?.value
  const width = serial ? (typeof batch === 'number' && batch > 0 ? batch : 1) : count
  const made: Draft[][] = []
  if (count === 0) o.skipped.add(loop.toLowerCase())
  for (let index = 0; index < count; index++) {
    const scope = { ...o.scope, loops: [...o.scope.loops, { name: loop, index }] }
    take(o.size, characters)
    const from = o.drafts.length
    await draftOne({ ...o, scope }, o.raw, loop)
    const fresh = o.drafts.slice(from)
    for (const before of made[index - width] ?? []) for (const each of fresh) each.after.add(before.key)
    made.push(fresh)
  }
}

/** @throws TemplateError if a template with unrolled loops is larger than Azure accepts (attack W22) */
function take(size: Drafting['size'], characters: number): void {
  size.left -= characters
  if (size.left >= 0) return
  throw new TemplateError(`The template has more than ${sizeLimit} characters with its loops written out`, {
    expected: `at most ${sizeLimit}`,
    remedy: 'Divide it among several deployments.',
  })
}

async function draftOne(o: Drafting, raw: Obj, loop: string | undefined): Promise<void> {
  const read = async (name: string): Promise<string> => {
    const value = await evaluateValue(memberOf(raw, name)?.value, o.scope)
    if (typeof value === 'string' && value !== '') return value
    throw new TemplateError(`A resource of the template has no '${name}'`, { target: name })
  }
  const ownType = await read('type')
  const ownName = await read('name')
  const type = o.parent === undefined ? ownType : `${o.parent.type}/${ownType}`
  const name = o.parent === undefined ? ownName : `${o.parent.name}/${ownName}`
  const condition = memberOf(raw, 'condition')
  const wanted = condition === undefined ? true : await evaluateValue(condition.value, o.scope)
  if (wanted !== true && wanted !== 'true' && wanted !== 'True') {
    for (const known of [name, `${type}/${name}`, o.symbol ?? name]) o.skipped.add(known.toLowerCase())
    o.skipped.add(`${type}/${name}`.toLowerCase())
    return
  }
  const id = await idOf(raw, type, name, o.scope)
  if (id.length > idLimit)
    throw new TemplateError('The id of a resource is too long', {
      expected: `at most ${idLimit} characters`,
      found: `${id.length}`,
    })
  const dependsOn = (await evaluateValue(memberOf(raw, 'dependsOn')?.value ?? [], o.scope)) as Value[]
  const one: Draft = {
    id,
    key: keyOf(id),
    type,
    name,
    apiVersion: textOf(await evaluateValue(memberOf(raw, 'apiVersion')?.value ?? '', o.scope)),
    symbol: o.symbol,
    existing: memberOf(raw, 'existing')?.value === true,
    raw,
    scope: o.scope,
    after: new Set(o.parent === undefined ? [] : [o.parent.key]),
    loop,
    dependsOn: Array.isArray(dependsOn) ? dependsOn.map(textOf) : [],
  }
  o.drafts.push(one)
  // Evaluation never waits by itself: other work must get a turn.
  if (o.drafts.length % 50 === 0) await breathe()
  const children = memberOf(raw, 'resources')?.value
  for (const child of Array.isArray(children) ? children : [])
    await draft({ ...o, raw: child, symbol: undefined, parent: { type, name, key: one.key } })
}

/**
 * `scope` names the target of an extension such as a lock or a role assignment, or of a nested deployment;
 * `resourceGroup` and `subscriptionId` also name the scope of a nested deployment.
 */
async function idOf(raw: Obj, type: string, name: string, scope: Scope): Promise<string> {
  const { environment } = scope
  const read = async (member: string): Promise<string | undefined> => {
    const value = memberOf(raw, member)?.value
    return value === undefined || value === null ? undefined : textOf(await evaluateValue(value, scope))
  }
  const on = await read('scope')
  if (on !== undefined) return at(scopeNamed(on, environment.scope.id), type, [name], 'type and name')
  const [group, subscription] = [await read('resourceGroup'), await read('subscriptionId')]
  const ownSubscription = subscription ?? environment.subscriptionId
  if (group !== undefined)
    return at(`/subscriptions/${ownSubscription}/resourceGroups/${group}`, type, [name], 'type and name')
  // A nested deployment is in the scope it deploys to.
  const target = subscription === undefined ? environment.scope.id : `/subscriptions/${subscription}`
  return at(target, type, [name], 'type and name')
}

/** The id that a `scope` refers to: an id, `/` for the tenant, or `namespace/type/name` in the deployment's own scope. */
function scopeNamed(text: string, own: string): string {
  if (text === '/') return ''
  if (/^\/(subscriptions|providers)\//i.test(text)) return withoutFinalSlashes(text)
  const parts = text.split('/')
  if (text.startsWith('/') || parts.length < 2)
    throw new TemplateError(`The scope '${text.slice(0, 120)}' is not the id of a resource`)
  const type = [parts[0]!, ...parts.slice(1).filter((_, index) => index % 2 === 0)].join('/')
  const names = parts.slice(1).filter((_, index) => index % 2 === 1)
  const base = type.toLowerCase() === 'microsoft.management/managementgroups' ? '' : own
  return at(base, type, names, 'scope')
}

function refuseDuplicates(drafts: Draft[]): void {
  const seen = new Set<string>()
  for (const each of drafts) {
    if (seen.has(each.key)) {
      throw new TemplateError(
        `The resource '${each.id}' is defined multiple times in a template. Please see ` +
          'https://aka.ms/arm-syntax-resources for usage details',
        {
          target: each.id,
          remedy: 'Give each resource its own name.',
        },
      )
    }
    seen.add(each.key)
  }
}

const named = new WeakMap<readonly PlannedResource[], ResourceNames<PlannedResource>>()

/** All of a template's resources that a name refers to, once known. */
export function matching(wanted: string, resources: readonly PlannedResource[]): PlannedResource[] {
  const names = named.get(resources) ?? new ResourceNames(resources)
  named.set(resources, names)
  return names.find(wanted)
}

function addDependency(one: Draft, wanted: string, drafts: Draft[], skipped: Skipped): void {
  const found = matching(wanted, drafts)
  for (const each of found) if (each.key !== one.key) one.after.add(each.key)
  if (found.length > 0 || skipped.names.has(wanted.toLowerCase())) return
  // A condition excluded it, or the template lacks it: Azure refuses only the second.
  const short = wanted.toLowerCase().split('/providers/').at(-1) ?? ''
  if (skipped.unordered.has(unordered(short))) return
  throw new TemplateError(
    `The resource '${wanted.slice(0, 300)}' is not defined in the template. Please see https://aka.ms/arm-syntax for usage details`,
    { target: one.id, found: wanted.slice(0, 300), remedy: 'Name a resource of this template in dependsOn.' },
  )
}

/** A resource that uses another one of the template through reference() or list…() waits for it. */
async function addImplicit(one: Draft, drafts: Draft[]): Promise<void> {
  for (const text of textsIn(one.raw, isDeployment(one.type))) {
    if (!isExpression(text)) continue
    for (const call of callsIn(parseExpression(text))) {
      const [first] = call.args
      if (!isResourceCall(call.name) || first === undefined) continue
      // A dependency on another reference is found when that one is resolved.
      const named = await evaluate(first, one.scope).catch(() => undefined)
      if (typeof named !== 'string') continue
      for (const each of matching(named, drafts)) if (each.key !== one.key) one.after.add(each.key)
    }
  }
}

export const isDeployment = (type: string): boolean => type.toLowerCase() === 'microsoft.resources/deployments'

/** Texts of a value, excluding children, which wait themselves, and inner templates. */
function* textsIn(value: Value, deployment: boolean): Generator<string> {
  if (typeof value === 'string') yield value
  else if (Array.isArray(value)) for (const item of value) yield* textsIn(item, deployment)
  else if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) {
      if (name === 'resources' || name === 'dependsOn' || (deployment && name === 'template')) continue
      yield* textsIn(item, deployment)
    }
  }
}

function refuseCycles(drafts: Draft[]): void {
  const waiting = new Map(drafts.map((each) => [each.key, each.after.size]))
  const behind = new Map<string, string[]>(drafts.map((each) => [each.key, []]))
  for (const each of drafts) for (const key of each.after) behind.get(key)?.push(each.key)
  const free = drafts.filter((each) => each.after.size === 0).map((each) => each.key)
  for (let key = free.pop(); key !== undefined; key = free.pop()) {
    waiting.delete(key)
    for (const next of behind.get(key) ?? []) {
      const left = waiting.get(next)! - 1
      waiting.set(next, left)
      if (left === 0) free.push(next)
    }
  }
  if (waiting.size === 0) return
  const names = drafts.filter((each) => waiting.has(each.key)).map((each) => each.id)
  throw new TemplateError(
    `Circular dependency detected on resource: '${names[0]}'. Please see https://aka.ms/arm-syntax-resources for usage details`,
    {
      code: 'InvalidTemplate',
      target: names[0]!,
      found: names.join(', ').slice(0, 400),
      remedy: 'Remove one of the dependsOn.',
    },
  )
}

/** What reference() names: an id, a symbolic name, `type/name` or only a name. */
export function resolveReference(
  wanted: string,
  resources: readonly PlannedResource[],
  scope: Scope,
): { id: string; apiVersion: string | undefined; planned?: PlannedResource } {
  const [planned] = matching(wanted, resources)
  if (planned !== undefined) return { id: planned.id, apiVersion: planned.apiVersion, planned }
  if (wanted.startsWith('/')) return { id: wanted, apiVersion: undefined }
  if (wanted.includes('/')) return { id: scopeNamed(wanted, scope.environment.scope.id), apiVersion: undefined }
  throw new TemplateError(
    `The template reference '${wanted.slice(0, 120)}' is not valid: could not find template resource or resource copy with this name`,
    {
      found: wanted.slice(0, 120),
      remedy: 'Use a resource of the template, or its id from resourceId().',
    },
  )
}
