import { Fields, type Problem } from '../arm/fields.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import { subscriptionPath, type Plane } from '../plane.ts'
import type { Resource } from '../store/resources.ts'
import { insertIfAbsent } from '../store/rows.ts'
import { scopeOf, scopePaths } from './scopes.ts'

type Tags = Record<string, string>

const mostTags = 50
const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** Tags as a resource at every scope, and the subscription's list of tag names. */
export function tagRoutes(plane: Plane): Route[] {
  const type = 'Microsoft.Resources/tags'
  // A nested resource has no tags.
  const routes = scopePaths.slice(0, 3).flatMap((scope): Route[] => {
    const path = `${scope}/providers/${type}/default`
    const write = (change: (before: Tags, request: ArmRequest) => Tags) => async (request: ArmRequest) => {
      const at = scopeOf(request.path, 'Microsoft.Resources')
      const tags = await changeTags(plane, at, (before) => change(before, request))
      return ok(view(at, tags))
    }
    return [
      route.get(path, `${type}/read`, async (request) => {
        const at = scopeOf(request.path, 'Microsoft.Resources')
        return ok(view(at, await readTags(plane, at)))
      }),
      route.put(
        path,
        `${type}/write`,
        write((_, request) => readBody(request).tags),
      ),
      route.patch(
        path,
        `${type}/write`,
        write((before, request) => {
          const { tags, operation } = readBody(request)
          if (operation === 'Replace') return tags
          const names = Object.keys(tags)
          const others = Object.entries(before).filter(([name]) => !names.some((each) => same(each, name)))
          return operation === 'Delete' ? withoutNamed(before, tags) : { ...Object.fromEntries(others), ...tags }
        }),
      ),
      route.delete(path, `${type}/delete`, async (request) => {
        await changeTags(plane, scopeOf(request.path, 'Microsoft.Resources'), () => ({}))
        return { status: 200 }
      }),
    ]
  })
  return [...routes, ...tagNameRoutes(plane)]
}

/** A name with a value is removed only if the value matches. */
const withoutNamed = (before: Tags, tags: Tags): Tags =>
  Object.fromEntries(
    Object.entries(before).filter(
      ([name, value]) =>
        !Object.entries(tags).some(([each, held]) => same(each, name) && (held === '' || held === value)),
    ),
  )

const view = (scope: string, tags: Tags): Record<string, unknown> => ({
  id: `${scope}/providers/Microsoft.Resources/tags/default`,
  name: 'default',
  type: 'Microsoft.Resources/tags',
  properties: { tags },
})

function readBody(request: ArmRequest): { tags: Tags; operation: 'Merge' | 'Replace' | 'Delete' } {
  const fields = new Fields(request.body)
  const operation = fields.oneOf('operation', ['Merge', 'Replace', 'Delete']) ?? 'Replace'
  const tags = fields.object('properties').textMap('tags') ?? {}
  fields.assertSound()
  return { tags, operation }
}

const isSubscription = (scope: string): boolean => scope.split('/').length === 3

async function readTags(plane: Plane, scope: string): Promise<Tags> {
  if (!isSubscription(scope)) return (await find(plane, scope)).body.tags ?? {}
  const rows = await plane.resources.db.selectFrom('subscription_tag').selectAll().orderBy('name').execute()
  return Object.fromEntries(rows.map((row) => [row.name, row.value]))
}

const find = async (plane: Plane, scope: string): Promise<Resource> =>
  scope.split('/').length === 5 ? await plane.resources.requireGroup(scope) : await plane.resources.get(scope)

async function changeTags(plane: Plane, scope: string, change: (before: Tags) => Tags): Promise<Tags> {
  const checked = (before: Tags): Tags => {
    const tags = change(before)
    const fields = new Fields({})
    for (const problem of tagProblems(tags)) fields.problem(problem)
    fields.assertSound()
    return tags
  }
  if (isSubscription(scope)) {
    return await plane.resources.transaction(async (tx) => {
      const rows = await tx.selectFrom('subscription_tag').selectAll().execute()
      const tags = checked(Object.fromEntries(rows.map((row) => [row.name, row.value])))
      await tx.deleteFrom('subscription_tag').execute()
      for (const [name, value] of Object.entries(tags))
        await tx.insertInto('subscription_tag').values({ name, value }).execute()
      return tags
    })
  }
  await find(plane, scope)
  return await plane.resources.transaction(async (tx) => {
    let tags: Tags = {}
    await plane.resources.change(tx, scope, (resource) => {
      tags = checked(resource.body.tags ?? {})
      if (Object.keys(tags).length === 0) delete resource.body.tags
      else resource.body.tags = tags
      // A VM's body is rebuilt from its model at every change.
      const model = resource.internal['model'] as { tags?: Tags } | undefined
      if (model?.tags !== undefined) model.tags = tags
    })
    return tags
  })
}

/** Azure's limits on tags. */
function tagProblems(tags: Tags): Problem[] {
  const problem = (message: string, found: string): Problem => ({
    code: 'InvalidTag',
    message,
    target: 'tags',
    found,
  })
  const names = Object.keys(tags)
  return [
    ...(names.length > mostTags ? [problem(`A resource has at most ${mostTags} tags.`, String(names.length))] : []),
    ...names
      .filter((name) => name === '' || name.length > 512 || /[<>%&\\?/]/.test(name))
      .map((name) => problem('A tag name has 1 to 512 characters without < > % & \\ ? /.', name.slice(0, 80))),
    ...Object.entries(tags)
      .filter(([, value]) => value.length > 256)
      .map(([name, value]) =>
        problem(`The value of tag '${name}' is longer than 256 characters.`, String(value.length)),
      ),
  ]
}

/** Predefined names and values, with their number of uses. */
function tagNameRoutes(plane: Plane): Route[] {
  const base = `${subscriptionPath}/tagNames`
  const action = 'Microsoft.Resources/subscriptions/tagNames'
  const count = (value: number): object => ({ type: value === 0 ? 'Total' : 'Partial', value })
  const list = async (): Promise<Record<string, unknown>[]> => {
    const rows = await plane.resources.db.selectFrom('tag_name').selectAll().orderBy('name').orderBy('value').execute()
    const uses = (await plane.resources.list({})).flatMap((resource) => Object.entries(resource.body.tags ?? {}))
    const names = new Map<string, Map<string, number>>()
    for (const { name, value } of rows) {
      const values = names.get(name) ?? new Map<string, number>()
      if (value !== '') values.set(value, 0)
      names.set(name, values)
    }
    for (const [name, value] of uses) {
      const values = names.get(name) ?? new Map<string, number>()
      names.set(name, values.set(value, (values.get(value) ?? 0) + 1))
    }
    return [...names].map(([tagName, values]) => ({
      id: `/subscriptions/${plane.subscriptionId}/tagNames/${tagName}`,
      tagName,
      count: count([...values.values()].reduce((sum, each) => sum + each, 0)),
      values: [...values].map(([tagValue, used]) => ({
        id: `/subscriptions/${plane.subscriptionId}/tagNames/${tagName}/tagValues/${tagValue}`,
        tagValue,
        count: count(used),
      })),
    }))
  }
  const put = async (request: ArmRequest): Promise<ArmReply> => {
    const name = param(request, 'tag')
    const value = request.params['value'] ?? ''
    const fields = new Fields({})
    for (const problem of tagProblems({ [name]: value })) fields.problem(problem)
    fields.assertSound()
    const entries = value === '' ? [''] : ['', value]
    let made = false
    for (const each of entries)
      made = await insertIfAbsent(plane.resources.db.insertInto('tag_name').values({ name, value: each }))
    const id = `/subscriptions/${plane.subscriptionId}/tagNames/${name}`
    const body =
      value === ''
        ? { id, tagName: name, count: count(0), values: [] }
        : { id: `${id}/tagValues/${value}`, tagValue: value, count: count(0) }
    return { status: made ? 201 : 200, body }
  }
  const remove = async (request: ArmRequest): Promise<ArmReply> => {
    const value = request.params['value']
    let query = plane.resources.db.deleteFrom('tag_name').where('name', '=', param(request, 'tag'))
    if (value !== undefined) query = query.where('value', '=', value)
    return { status: Number((await query.executeTakeFirst()).numDeletedRows) > 0 ? 200 : 204 }
  }
  return [
    route.get(base, `${action}/read`, async () => ok({ value: await list() })),
    route.put(`${base}/{tag}`, `${action}/write`, put),
    route.delete(`${base}/{tag}`, `${action}/delete`, remove),
    route.put(`${base}/{tag}/tagValues/{value}`, `${action}/tagValues/write`, put),
    route.delete(`${base}/{tag}/tagValues/{value}`, `${action}/tagValues/delete`, remove),
  ]
}
