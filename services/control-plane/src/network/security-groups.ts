import { ServiceError } from '@strongroom/platform'
import type { Fields } from '../arm/fields.ts'
import { keyOf } from '../arm/resource-id.ts'
import type { Plane } from '../plane.ts'
import type { Json } from '../store/resources.ts'
import type { NetworkKind } from './provider.ts'

/**
 * Security groups are kept and checked, not enforced: a guest has no way in but the SSH forward on this machine's
 * loopback, and no way to other guests.
 */
export function securityGroups(plane: Plane): NetworkKind {
  return {
    name: 'networkSecurityGroups',
    async complete({ id, fields, given }) {
      const rules = fields.object('properties').list('securityRules')
      const priorities = new Map<string, string>()
      const securityRules = rules.map((rule) => readRule(rule, id, priorities))
      return { ...given, securityRules, defaultSecurityRules: [] }
    },
    async assertUnused(tx, group) {
      const interfaces = await plane.resources.list({ type: 'Microsoft.Network/networkInterfaces' }, tx)
      const user = interfaces.find((nic) => {
        const reference = nic.body.properties['networkSecurityGroup'] as { id?: string } | undefined
        return reference?.id !== undefined && keyOf(reference.id) === group.key
      })
      if (user === undefined) return
      throw new ServiceError({
        code: 'InUseNetworkSecurityGroupCannotBeDeleted',
        status: 400,
        message: `Network security group ${group.id} cannot be deleted because it is in use by the following resources: ${user.id}. In order to delete the Network security group, remove the association with the resource(s).`,
        found: user.id,
        remedy: 'Delete the network interface, or take the group off it.',
      })
    },
  }
}

function readRule(rule: Fields, groupId: string, priorities: Map<string, string>): Json {
  const name = rule.text('name') ?? ''
  const properties = rule.object('properties')
  const priority = properties.integer('priority', 100, 4096)
  const direction = properties.oneOf('direction', ['Inbound', 'Outbound'])
  const access = properties.oneOf('access', ['Allow', 'Deny'])
  const protocol = properties.oneOf('protocol', ['Tcp', 'Udp', 'Icmp', 'Esp', 'Ah', '*'])
  for (const [member, value] of Object.entries({ name, priority, direction, access, protocol })) {
    if (value !== undefined && value !== '') continue
    rule.problem({
      code: 'SecurityRuleMissingProperty',
      status: 400,
      message: `Security rule ${name || '(without a name)'} lacks the property '${member}'.`,
      target: properties.at(member),
    })
  }
  const slot = `${direction} ${priority}`
  const other = priorities.get(slot)
  if (other !== undefined) {
    rule.problem({
      code: 'SecurityRuleConflict',
      status: 400,
      message: `Security rule ${name} conflicts with rule ${other}. Rules cannot have the same Priority and Direction.`,
      target: properties.at('priority'),
      remedy: 'Give each rule of a direction its own priority.',
    })
  }
  priorities.set(slot, name)
  const given = (rule.raw('properties') ?? {}) as Json
  return {
    name,
    id: `${groupId}/securityRules/${name}`,
    properties: { ...given, priority, direction, access, protocol, provisioningState: 'Succeeded' },
  }
}
