import { Fields } from '../arm/fields.ts'
import { ok, type ArmRequest } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import { tagProblems } from '../arm/tag-limits.ts'
import { subscriptionPath, type Plane } from '../types/plane.ts'
import type { Resource } from '../store/resources.ts'
import { scopeOf, scopePaths } from './scopes.ts'

type Tags = Record<string, string>

const same = (a: string, b: string): boolean => a.toLowerCase() === b.toLowerCase()

/** Tags as a resource at every scope, and the subscription's list of tags in use. */
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
  return [...routes, tagNameRoute(plane)]
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
    for (const problem of tagProblems(tags, 'properties.tags')) fields.problem(problem)
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
      resource.body.tags = tags
      // A VM's body is rebuilt from its model at every change.
      const model = resource.internal['model'] as { tags?: Tags } | undefined
      if (model?.tags !== undefined) model.tags = tags
    })
    return tags
  })
}

/** Names and values in use, with their number of uses. There are no predefined ones: they would have no effect. */
function tagNameRoute(plane: Plane): Route {
  const base = `/subscriptions/${plane.subscriptionId}/tagNames`
  const count = (value: number): object => ({ type: 'Partial', value })
  const list = async (): Promise<Record<string, unknown>[]> => {
    const names = new Map<string, Map<string, number>>()
    for (const { body } of await plane.resources.list({}))
      for (const [name, value] of Object.entries(body.tags ?? {})) {
        const values = names.get(name) ?? new Map<string, number>()
        names.set(name, values.set(value, (values.get(value) ?? 0) + 1))
      }
    return [...names].map(([tagName, values]) => ({
      id: `${base}/${tagName}`,
      tagName,
      count: count([...values.values()].reduce((sum, each) => sum + each, 0)),
      values: [...values].map(([tagValue, used]) => ({
        id: `${base}/${tagName}/tagValues/${tagValue}`,
        tagValue,
        count: count(used),
      })),
    }))
  }
  return route.get(`${subscriptionPath}/tagNames`, 'Microsoft.Resources/subscriptions/tagNames/read', async () =>
    ok({ value: await list() }),
  )
}
