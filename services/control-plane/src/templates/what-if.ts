import type { Plane } from '../plane.ts'
import type { Resource } from '../store/resources.ts'
import { withoutNulls } from '../arm/fields.ts'
import { evaluateValue, needsResources, type Scope } from './evaluate.ts'
import { isDeployment, type PlannedResource } from './plan.ts'
import type { DeploymentInput, Prepared } from './input.ts'
import { keysOf } from './run.ts'
import { equal, isObject, memberOf, textOf, type Obj, type Value } from './values.ts'

export interface Change {
  resourceId: string
  changeType: 'Create' | 'Delete' | 'Ignore' | 'Modify' | 'NoChange' | 'Deploy'
  before?: Obj
  after?: Obj
  delta?: PropertyChange[]
}

export interface PropertyChange {
  path: string
  propertyChangeType: 'Create' | 'Delete' | 'Modify' | 'Array'
  before?: Value
  after?: Value
  children?: PropertyChange[]
}

/** What a deployment would make, change and delete. It asks no resource: what reference() would give stays an expression. */
export async function whatIf(
  plane: Plane,
  o: { group: Resource; input: DeploymentInput; prepared: Prepared; idOnly: boolean },
): Promise<Change[]> {
  const { prepared } = o
  const changes: Change[] = []
  for (const each of prepared.resources) {
    if (each.existing || isDeployment(each.type)) continue
    const existing = await plane.resources.find(each.id)
    changes.push(
      o.idOnly
        ? { resourceId: each.id, changeType: existing === undefined ? 'Create' : 'Deploy' }
        : await compare(each, existing),
    )
  }
  const kept = keysOf(prepared.resources)
  for (const other of await plane.resources.list({ groupId: o.group.id })) {
    if (kept.has(other.key) || other.type === 'microsoft.resources/resourcegroups' || isDeployment(other.type)) continue
    const shown = o.idOnly ? {} : { before: view(other, other.type) }
    changes.push({ resourceId: other.id, changeType: o.input.mode === 'Complete' ? 'Delete' : 'Ignore', ...shown })
  }
  return changes
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

/** Expressions that only running resources can answer stay as they are written. */
async function evaluateKnown(value: Value, scope: Scope): Promise<Value> {
  if (typeof value === 'string' && needsResources(value)) return value
  if (Array.isArray(value)) return await Promise.all(value.map(async (each: Value) => await evaluateKnown(each, scope)))
  if (!isObject(value)) return await evaluateValue(value, scope)
  if (memberOf(value, 'copy') !== undefined) return await evaluateValue(value, scope)
  const pairs = await Promise.all(
    Object.entries(value).map(async ([name, member]) => [name, await evaluateKnown(member, scope)] as const),
  )
  return Object.fromEntries(pairs)
}

/** What the template says and the resource has not; what it leaves open is the resource's own. */
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

/** Ids, locations and enumerated values are the same in any case; templates send numbers and truth as text. */
const same = (a: Value, b: Value): boolean => {
  const plain = (value: Value): string => textOf(value).toLowerCase().replaceAll(' ', '')
  return equal(a, b) || (typeof a !== 'object' && typeof b !== 'object' && plain(a) === plain(b))
}
