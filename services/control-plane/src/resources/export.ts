import { Fields } from '../arm/fields.ts'
import { ok, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import { groupPath, type Plane } from '../types/plane.ts'
import type { Json, Resource } from '../store/resources.ts'

/** What the platform adds to a resource and no request contains. */
const added = new Set([
  'provisioningState',
  'resourceGuid',
  'uniqueId',
  'vmId',
  'timeCreated',
  'diskState',
  'diskSizeBytes',
  'encryption',
  'ipAddress',
  'macAddress',
  'virtualMachine',
  'ipConfiguration',
  'networkInterfaces',
  'defaultSecurityRules',
  'exactVersion',
  'vaultUri',
  'hsmUri',
  'attestUri',
  'status',
  'statusMessage',
  'instanceView',
])

/** A group as a template. */
export function exportRoutes(plane: Plane): Route[] {
  return [
    route.post(
      `${groupPath}/exportTemplate`,
      'Microsoft.Resources/subscriptions/resourceGroups/exportTemplate/action',
      async (request) => await exportGroup(plane, request),
    ),
  ]
}

async function exportGroup(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const group = await plane.resources.requireGroup(request.path)
  const fields = new Fields(request.body)
  const named = fields.texts('resources', 800).map((id) => id.toLowerCase())
  fields.assertSound()
  const all = await plane.resources.list({ groupId: group.id })
  const wanted = all.filter(
    ({ key, type, internal }) =>
      !type.startsWith('microsoft.resources/') &&
      // A VM's OS disk is described by the VM.
      typeof (internal as Json)['type'] !== 'string' &&
      (named.length === 0 || named.includes('*') || named.includes(key)),
  )
  return ok({
    template: {
      $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
      contentVersion: '1.0.0.0',
      parameters: {},
      variables: {},
      resources: wanted.map((each) => described(each, plane.types.spellingOf(each.type))),
    },
  })
}

function described(resource: Resource, spelling: string): Json {
  const { body, key, type, location, name } = resource
  return {
    type: spelling,
    apiVersion: '2024-11-01',
    name: escaped(name, key, type),
    ...(location !== '' && { location }),
    ...(body.tags !== undefined && { tags: body.tags }),
    ...(body.sku !== undefined && { sku: body.sku }),
    ...(body.zones !== undefined && { zones: body.zones }),
    properties: withoutAdded(body.properties),
  }
}

/** Names of the enclosing types come first; a text that looks like an expression is escaped. */
function escaped(name: string, key: string, type: string): string {
  const names = key
    .slice(key.lastIndexOf('/providers/') + '/providers/'.length)
    .split('/')
    .filter((_, index) => index > 0 && index % 2 === 0)
  const whole = type.split('/').length > 2 ? [...names.slice(0, -1), name].join('/') : name
  return whole.startsWith('[') ? `[${whole}` : whole
}

function withoutAdded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutAdded)
  if (typeof value !== 'object' || value === null)
    return typeof value === 'string' && value.startsWith('[') ? `[${value}` : value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !added.has(name))
      .map(([name, member]) => [name, withoutAdded(member)]),
  )
}
