import { ServiceError } from '@strongroom/platform'
import { Fields } from '../../arm/fields.ts'
import { keyOf } from '../../arm/ids/resource-id.ts'
import type { Json, Resource } from '../../store/resources.ts'
import type { Children } from './resource/children.ts'
import { groupMembers, ruleMembers } from './resource/network-members.ts'
import { invalidName, type NetworkKind } from './resource/provider.ts'

const type = 'Microsoft.Network/networkSecurityGroups'

interface Rule extends Json {
  name: string
  id: string
}

/** An interface or a subnet. */
interface Holder {
  id: string
  properties: Json
}

/**
 * Security groups are stored and validated, but not enforced: the only way into a guest is the SSH forward on this
 * machine's loopback, and guests cannot reach each other.
 */
export const securityGroups: NetworkKind = {
  name: 'networkSecurityGroups',
  members: groupMembers,
  async complete(_plane, { id, fields, given }) {
    const rules = fields.object('properties').list('securityRules', 1_000)
    const priorities = new Map<string, string>()
    const securityRules = rules.map((rule) => readRule(rule, id, priorities))
    return { ...given, securityRules, defaultSecurityRules: defaultRules(id) }
  },
  async assertUnused(plane, tx, group) {
    const interfaces = await plane.resources.list({ type: 'Microsoft.Network/networkInterfaces' }, tx)
    const networks = await plane.resources.list({ type: 'Microsoft.Network/virtualNetworks' }, tx)
    const subnets = networks.flatMap(({ body }) => (body.properties['subnets'] ?? []) as Holder[])
    const holders = [...interfaces.map(({ id, body }): Holder => ({ id, properties: body.properties })), ...subnets]
    const user = holders.find(({ properties: { networkSecurityGroup } }) => {
      const reference = networkSecurityGroup as { id?: string } | undefined
      return reference?.id !== undefined && keyOf(reference.id) === group.key
    })
    if (user === undefined) return
    throw new ServiceError({
      code: 'InUseNetworkSecurityGroupCannotBeDeleted',
      message:
        `Network security group ${group.id} cannot be deleted because it is in use by the following resources: ` +
        `${user.id}. In order to delete the Network security group, remove the association with the resource(s).`,
      found: user.id,
      remedy: 'Delete the network interface or subnet, or detach the group from it.',
    })
  },
}

function readRule(rule: Fields, groupId: string, priorities: Map<string, string>): Rule {
  const name = rule.text('name') ?? ''
  if (name !== '' && !/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?$/.test(name)) throw invalidName(name)
  const properties = rule.object('properties')
  const priority = properties.integer('priority', 100, 4096)
  const direction = properties.oneOf('direction', ['Inbound', 'Outbound'])
  const access = properties.oneOf('access', ['Allow', 'Deny'])
  const protocol = properties.oneOf('protocol', ['Tcp', 'Udp', 'Icmp', 'Esp', 'Ah', '*'])
  for (const [member, value] of Object.entries({ name, priority, direction, access, protocol })) {
    if (value !== undefined && value !== '') continue
    rule.problem({
      code: 'SecurityRuleMissingProperty',
      message: `Security rule ${name || '(without a name)'} lacks the property '${member}'.`,
      target: properties.at(member),
    })
  }
  const slot = `${direction} ${priority}`
  const other = priorities.get(slot)
  if (other !== undefined) {
    rule.problem({
      code: 'SecurityRuleConflict',
      message: `Security rule ${name} conflicts with rule ${other}. Rules cannot have the same Priority and Direction.`,
      target: properties.at('priority'),
      remedy: 'Give each rule in a direction its own priority.',
    })
  }
  priorities.set(slot, name)
  const given = (rule.raw('properties') ?? {}) as Json
  return {
    name,
    id: `${groupId}/securityRules/${name}`,
    type: `${type}/securityRules`,
    properties: { ...given, priority, direction, access, protocol, provisioningState: 'Succeeded' },
  }
}

/** The default rules of every group in Azure. */
function defaultRules(groupId: string): Json[] {
  // Their names begin with the access and end with the direction.
  const rule = (name: string, priority: number, from: string, to: string): Json => ({
    name,
    id: `${groupId}/defaultSecurityRules/${name}`,
    type: `${type}/defaultSecurityRules`,
    properties: {
      protocol: '*',
      sourcePortRange: '*',
      destinationPortRange: '*',
      sourceAddressPrefix: from,
      destinationAddressPrefix: to,
      access: name.startsWith('Allow') ? 'Allow' : 'Deny',
      priority,
      direction: name.endsWith('InBound') ? 'Inbound' : 'Outbound',
      provisioningState: 'Succeeded',
    },
  })
  return [
    rule('AllowVnetInBound', 65_000, 'VirtualNetwork', 'VirtualNetwork'),
    rule('AllowAzureLoadBalancerInBound', 65_001, 'AzureLoadBalancer', '*'),
    rule('DenyAllInBound', 65_500, '*', '*'),
    rule('AllowVnetOutBound', 65_000, 'VirtualNetwork', 'VirtualNetwork'),
    rule('AllowInternetOutBound', 65_001, '*', 'Internet'),
    rule('DenyAllOutBound', 65_500, '*', '*'),
  ]
}

const rulesOf = (group: Resource): Rule[] => (group.body.properties['securityRules'] ?? []) as Rule[]

/** Rules as child resources, stored in their group's row. */
export const securityRules: Children<Rule> = {
  parent: type,
  kind: 'securityRules',
  members: ruleMembers,
  of: rulesOf,
  conditional: true,
  write(group, fields, before) {
    const others = rulesOf(group).filter(({ name }) => name.toLowerCase() !== before?.name.toLowerCase())
    const slots = new Map(
      others.map((rule) => {
        const { direction, priority } = rule['properties'] as { direction: string; priority: number }
        return [`${direction} ${priority}`, rule.name]
      }),
    )
    const made = readRule(fields, group.id, slots)
    fields.assertSound()
    return { made, all: [...others, made] }
  },
}
