import { listPage } from '../arm/list-page.ts'
import { ServiceError } from '@strongroom/platform'
import type { ArmReply, ArmRequest } from '../arm/request.ts'
import type { Route } from '../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from '../plane.ts'
import type { Resource } from '../store/resources.ts'

const spellings = [
  'Microsoft.Compute/virtualMachines',
  'Microsoft.Compute/disks',
  'Microsoft.Compute/galleries',
  'Microsoft.Compute/galleries/images',
  'Microsoft.Compute/galleries/images/versions',
  'Microsoft.Compute/images',
  'Microsoft.Compute/snapshots',
  'Microsoft.Network/virtualNetworks',
  'Microsoft.Network/networkSecurityGroups',
  'Microsoft.Network/publicIPAddresses',
  'Microsoft.Network/networkInterfaces',
]

/** A type as its provider spells it; lower case where that is not known. */
export const spellingOf = (type: string): string =>
  spellings.find((spelling) => spelling.toLowerCase() === type) ?? type

type Test = (resource: Resource) => boolean

/**
 * The filters that stock clients send: equality of resourceType, name and resourceGroup, joined by `and`.
 * @throws ServiceError InvalidFilterInQueryString for any other, because a filter that is ignored shows too much
 */
export function parseFilter(text: string | undefined): Test {
  if (text === undefined || text.trim() === '') return () => true
  const tests = text.split(/\s+and\s+/i).map((term): Test => {
    const tag = /^\(*\s*(tagName|tagValue)\s+eq\s+'([^']*)'\s*\)*$/i.exec(term.trim())
    if (tag !== null) {
      const wanted = tag[2]!
      return (resource) =>
        Object.entries(resource.body.tags ?? {}).some(([name, value]) =>
          tag[1]!.toLowerCase() === 'tagname' ? name.toLowerCase() === wanted.toLowerCase() : value === wanted,
        )
    }
    const match = /^\(*\s*(resourceType|name|resourceGroup|location)\s+eq\s+'([^']*)'\s*\)*$/i.exec(term.trim())
    if (match === null) {
      throw new ServiceError({
        code: 'InvalidFilterInQueryString',
        status: 400,
        message: `Invalid $filter '${term.slice(0, 120)}' specified in the query string.`,
        target: '$filter',
        expected: "resourceType, name, resourceGroup, location, tagName or tagValue eq '…', joined by and",
        found: term.slice(0, 120),
      })
    }
    const value = match[2]!.toLowerCase()
    const property = match[1]!.toLowerCase()
    return (resource) => {
      if (property === 'resourcetype') return resource.type === value
      if (property === 'name') return resource.name.toLowerCase() === value
      if (property === 'location') return resource.location === value
      return resource.resourceGroup === value
    }
  })
  return (resource) => tests.every((test) => test(resource))
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
        keep: (resource) => !resource.type.startsWith('microsoft.resources/') && test(resource),
        view: (resource) => ({
          id: resource.id,
          name: resource.name,
          type: spellingOf(resource.type),
          location: resource.location,
          ...(resource.body.tags !== undefined && { tags: resource.body.tags }),
        }),
      })
    }
  const action = 'Microsoft.Resources/subscriptions/resources/read'
  return [
    { method: 'GET', path: `${subscriptionPath}/resources`, action, handle: handle(false) },
    {
      method: 'GET',
      path: `${groupPath}/resources`,
      action: 'Microsoft.Resources/subscriptions/resourceGroups/resources/read',
      handle: handle(true),
    },
  ]
}
