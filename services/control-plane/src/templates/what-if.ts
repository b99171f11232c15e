import type { Caller } from '@strongroom/platform'
import { keyOf } from '../arm/ids/resource-id.ts'
import type { Plane } from '../types/plane.ts'
import type { Resource } from '../store/resources.ts'
import { withoutNulls } from '../arm/fields.ts'
import { preflight } from './deployments.ts'
import { needsResources } from './evaluate.ts'
import { evaluateKnown } from './evaluate-known.ts'
import { isDeployment, type PlannedResource } from './plan.ts'
import { prepare, type DeploymentInput, type Prepared } from './input.ts'
import { keysOf, prepareOuter, readNested } from './run.ts'
import { kindOf, openScope, scopeIdOf, type DeploymentScope } from './scope.ts'
import { equal, isObject, memberOf, textOf, type Obj, type Value } from './values.ts'

export interface Change {
  resourceId: string
  changeType: 'Create' | 'Delete' | 'Ignore' | 'Modify' | 'NoChange' | 'Deploy' | 'Unsupported'
  unsupportedReason?: string
  before?: Obj
  after?: Obj
  delta?: PropertyChange[]
}

interface PropertyChange {
  path: string
  propertyChangeType: 'Create' | 'Delete' | 'Modify' | 'Array'
  before?: Value
  after?: Value
  children?: PropertyChange[]
}

interface Question {
  scope: DeploymentScope
  input: DeploymentInput
  prepared: Prepared
  caller: Caller
  idOnly: boolean
}

/** Nested templates, no deeper than deployments. */
const nestingLimit = 5

/**
 * What a deployment would create, change and delete. It queries no resource: reference() stays an expression. What its
 * caller may not read is not shown, and what the caller may not write ends it, in any nested template (attack W20).
 * @throws ServiceError AuthorizationFailed
 */
export async function whatIf(plane: Plane, o: Question): Promise<Change[]> {
  const changes = await changesOf(plane, o, 0)
  if (o.scope.group === undefined) return changes
  const kept = new Set([...keysOf(o.prepared.resources), ...changes.map((each) => keyOf(each.resourceId))])
  for (const other of await plane.resources.list({ groupId: o.scope.id })) {
    if (kept.has(other.key) || plane.types.of(other.type) === undefined) continue
    const readable = await mayRead(plane, o, other)
    const gone = o.input.mode === 'Complete'
    if (!readable && !(gone && (await may(plane, o, 'delete', other)))) continue
    const shown = o.idOnly || !readable ? {} : { before: view(other, other.type) }
    changes.push({ resourceId: other.id, changeType: gone ? 'Delete' : 'Ignore', ...shown })
  }
  return changes
}

async function changesOf(plane: Plane, o: Question, depth: number): Promise<Change[]> {
  const changes: Change[] = []
  for (const each of o.prepared.resources) {
    if (each.existing) continue
    if (isDeployment(each.type)) {
      changes.push(...(await nestedChanges(plane, o, each, depth)))
      continue
    }
    const existing = await plane.resources.find(each.id)
    const shown = !o.idOnly && (existing === undefined || (await mayRead(plane, o, existing)))
    changes.push(
      !shown
        ? { resourceId: each.id, changeType: existing === undefined ? 'Create' : 'Deploy' }
        : await compare(each, existing),
    )
  }
  return changes
}

/** The nested template's changes; a group that the template creates first counts as described there. */
async function nestedChanges(plane: Plane, o: Question, one: PlannedResource, depth: number): Promise<Change[]> {
  const unknown = (unsupportedReason: string): Change[] => [
    { resourceId: one.id, changeType: 'Unsupported', unsupportedReason },
  ]
  if (depth >= nestingLimit) return unknown(`Deployments nest more than ${nestingLimit} deep.`)
  const written = JSON.stringify(memberOf(one.raw, 'properties')?.value ?? {}, (name, value: unknown) =>
    name === 'template' ? undefined : value,
  )
  if (/\b(reference|references|list\w+)\(/i.test(written))
    return unknown('Its parameters depend on resources that do not exist yet.')
  const { input, inner } = await readNested({ plane, caller: o.caller }, one, one.scope)
  const scopeId = scopeIdOf(one.id)
  const scope =
    (await plane.resources.find(scopeId)) === undefined && kindOf(scopeId) === 'resourceGroup'
      ? madeGroup(o, scopeId)
      : await openScope(plane, scopeId, input.location ?? o.scope.location)
  const prepared = inner
    ? await prepare(plane, { scope, input, caller: o.caller, fuel: one.scope.fuel })
    : await prepareOuter(one, { target: scope, input, secrets: o.prepared.section.secrets })
  await preflight(plane, o.caller, prepared)
  return await changesOf(plane, { ...o, scope, input, prepared }, depth + 1)
}

const may = async (
  plane: Plane,
  { caller }: Question,
  verb: 'read' | 'delete',
  { id, type }: Pick<Resource, 'id' | 'type'>,
): Promise<boolean> => await plane.access.allows(caller.objectId, `${plane.types.spellingOf(type)}/${verb}`, id)

const mayRead = async (plane: Plane, o: Question, resource: Pick<Resource, 'id' | 'type'>): Promise<boolean> =>
  await may(plane, o, 'read', resource)

/** A group that does not exist yet. */
function madeGroup(o: Question, id: string): DeploymentScope {
  const { location } = o.scope
  return { kind: 'resourceGroup', id, location, group: { id, name: id.split('/').at(-1) ?? '', location, tags: {} } }
}

const view = (resource: Resource, type: string): Obj => ({
  id: resource.id,
  name: resource.name,
  type,
  location: resource.location,
  ...(resource.body.tags !== undefined && { tags: resource.body.tags }),
  ...(resource.body.sku !== undefined && { sku: resource.body.sku }),
  properties: resource.body.properties,
})

async function compare(one: PlannedResource, existing: Resource | undefined): Promise<Change> {
  const members = Object.fromEntries(
    ['location', 'tags', 'sku', 'zones', 'kind', 'identity', 'properties'].flatMap((name) => {
      const found = memberOf(one.raw, name)
      return found === undefined ? [] : [[name, found.value]]
    }),
  )
  const wanted = withoutNulls(await evaluateKnown(members, one.scope)) as Obj
  const after = { id: one.id, name: one.name.split('/').at(-1), type: one.type, apiVersion: one.apiVersion, ...wanted }
  if (existing === undefined) return { resourceId: one.id, changeType: 'Create', after }
  const before = view(existing, one.type)
  const delta = differences(before, wanted)
  if (delta.length === 0) return { resourceId: one.id, changeType: 'NoChange', before, after: before }
  return { resourceId: one.id, changeType: 'Modify', before, after, delta }
}

/** What the template specifies and the resource lacks; omitted values are the resource's own. */
function differences(before: Obj, after: Obj, path: string = ''): PropertyChange[] {
  return Object.entries(after).flatMap(([name, value]): PropertyChange[] => {
    const at = path === '' ? name : `${path}.${name}`
    const held = memberOf(before, name)
    if (held === undefined) return [{ path: at, propertyChangeType: 'Create', after: value }]
    if (isObject(value) && isObject(held.value)) return differences(held.value, value, at)
    if (Array.isArray(value) && Array.isArray(held.value)) return arrayChange(at, held.value, value)
    if (same(held.value, value) || (typeof value === 'string' && needsResources(value))) return []
    return [{ path: at, propertyChangeType: 'Modify', before: held.value, after: value }]
  })
}

function arrayChange(path: string, before: Value[], after: Value[]): PropertyChange[] {
  const children = after.flatMap((value, index): PropertyChange[] => {
    if (index >= before.length) return [{ path: String(index), propertyChangeType: 'Create', after: value }]
    const held = before[index]
    if (isObject(value) && isObject(held))
      return differences(held, value).map((each) => ({ ...each, path: `${index}.${each.path}` }))
    return same(held, value) ? [] : [{ path: String(index), propertyChangeType: 'Modify', before: held, after: value }]
  })
  for (let index = after.length; index < before.length; index++)
    children.push({ path: String(index), propertyChangeType: 'Delete', before: before[index] })
  return children.length === 0 ? [] : [{ path, propertyChangeType: 'Array', children }]
}

/** Ids, locations and enumerated values match in any case; templates send numbers and Booleans as text. */
const same = (a: Value, b: Value): boolean => {
  const plain = (value: Value): string => textOf(value).toLowerCase().replaceAll(' ', '')
  return equal(a, b) || (typeof a !== 'object' && typeof b !== 'object' && plain(a) === plain(b))
}
