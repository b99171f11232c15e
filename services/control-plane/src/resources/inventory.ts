import { ServiceError } from '@strongroom/platform'
import { termsOf } from '../arm/filter-terms.ts'
import { listPage } from '../arm/list-page.ts'
import type { ArmReply, ArmRequest } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from '../types/plane.ts'
import type { Resource } from '../store/resources.ts'

type Test = (resource: Resource) => boolean

const properties = ['resourceType', 'name', 'resourceGroup', 'location', 'tagName', 'tagValue'] as const
type Property = (typeof properties)[number]

/**
 * The filters that stock clients send: equality of some properties, joined by `and`. A tag's name and value must belong
 * together.
 * @throws ServiceError InvalidFilterInQueryString for any other filter, because ignoring one would show too much
 */
export function parseFilter(text: string | undefined, allowed: readonly Property[] = properties): Test {
  if (text === undefined || text.trim() === '') return () => true
  const wanted = termsOf(text).map((term): { property: Property; value: string } => {
    const [, name, value] = /^\(*\s*(\w+)\s+eq\s+'([^']*)'\s*\)*$/.exec(term.trim()) ?? []
    const property = allowed.find((each) => each.toLowerCase() === name?.toLowerCase())
    if (property !== undefined && value !== undefined) return { property, value }
    throw new ServiceError({
      code: 'InvalidFilterInQueryString',
      message: `Invalid $filter '${term.slice(0, 120)}' specified in the query string.`,
      target: '$filter',
      expected: `${allowed.join(', ')} eq '…', joined by and`,
      found: term.slice(0, 120),
    })
  })
  const tagWanted = wanted.some(({ property }) => property.startsWith('tag'))
  return (resource) => {
    if (!wanted.every(({ property, value }) => property.startsWith('tag') || has(resource, property, value)))
      return false
    if (!tagWanted) return true
    return Object.entries(resource.body.tags ?? {}).some(([tagName, tagValue]) =>
      wanted.every(({ property, value }) => {
        if (property === 'tagName') return tagName.toLowerCase() === value.toLowerCase()
        return property !== 'tagValue' || tagValue === value
      }),
    )
  }
}

function has(resource: Resource, property: Property, value: string): boolean {
  const lower = value.toLowerCase()
  if (property === 'resourceType') return resource.type === lower
  if (property === 'name') return resource.name.toLowerCase() === lower
  if (property === 'location') return resource.location === lower
  return resource.resourceGroup === lower
}

/** All resources of the subscription or of a group. */
export function inventoryRoutes(plane: Plane): Route[] {
  const handle =
    (byGroup: boolean) =>
    async (request: ArmRequest): Promise<ArmReply> => {
      if (byGroup) await plane.resources.requireGroup(request.path)
      const test = parseFilter(request.query['$filter'])
      return await listPage(plane, request, {
        ...(byGroup && { groupId: request.path }),
        keep: (resource) => plane.types.of(resource.type) !== undefined && test(resource),
        view: (resource) => ({
          id: resource.id,
          name: resource.name,
          type: plane.types.spellingOf(resource.type),
          location: resource.location,
          ...(resource.body.tags !== undefined && { tags: resource.body.tags }),
        }),
      })
    }
  const action = 'Microsoft.Resources/subscriptions/resources/read'
  return [
    route.get(`${subscriptionPath}/resources`, action, handle(false)),
    route.get(
      `${groupPath}/resources`,
      'Microsoft.Resources/subscriptions/resourceGroups/resources/read',
      handle(true),
    ),
  ]
}
