import type { SettledCode } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { Fields, withoutNulls, type Problem } from '../../../arm/fields.ts'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import type { Link } from '../../../arm/access.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Db, Json, Resource } from '../../../store/resources.ts'
import type { Children } from '../resource/children.ts'
import { contains, formatAddress, overlaps, parseAddress, parseCidr, type Cidr } from './cidr.ts'
import { subnetMembers, virtualNetworkMembers } from '../resource/network-members.ts'
import { checkReference, invalidName, type NetworkKind } from '../resource/provider.ts'

export interface Subnet {
  name: string
  id: string
  properties: Json & { addressPrefix: string }
}

const type = 'Microsoft.Network/virtualNetworks'
const maxHosts = 29

/** Azure's, of one network. */
const mostSubnets = 3_000

export const subnetsOf = (network: Resource): Subnet[] => (network.body.properties['subnets'] ?? []) as Subnet[]
export const prefixesOf = (network: Resource): string[] =>
  (network.body.properties['addressSpace'] as { addressPrefixes?: string[] } | undefined)?.addressPrefixes ?? []

export const virtualNetworks: NetworkKind = {
  name: 'virtualNetworks',
  members: virtualNetworkMembers,
  refersTo: ['Microsoft.Network/networkSecurityGroups'],
  links: (fields) => fields.object('properties').list('subnets', mostSubnets).flatMap(subnetLinks),
  async complete(plane, { tx, id, fields, given, existing }) {
    const properties = fields.object('properties')
    refuseReferences(properties, networkReferences)
    const space = properties.object('addressSpace')
    const prefixes = readNetworks(space, 'addressPrefixes', space.texts('addressPrefixes', 1_000))
    if (prefixes.length === 0 && fields.problems.length === 0) {
      fields.problem({
        code: 'InvalidAddressPrefixFormat',
        message: 'A virtual network needs an address prefix.',
        target: space.at('addressPrefixes'),
        expected: 'for example 10.0.0.0/16',
      })
    }
    // If omitted, the subnets are unchanged: clients that change tags do not send them.
    const listed = properties.has('subnets') ? properties.list('subnets', mostSubnets) : undefined
    const subnets =
      listed?.map((subnet) => readSubnet(subnet, id)) ?? (existing === undefined ? [] : subnetsOf(existing))
    for (const [index, subnet] of (listed ?? []).entries()) await checkReferences(plane, tx, subnet, subnets[index]!)
    checkSubnets(fields, prefixes, subnets)
    const gone =
      existing === undefined
        ? []
        : subnetsOf(existing).filter((old) => !subnets.some((s) => keyOf(s.id) === keyOf(old.id)))
    for (const subnet of gone) await assertSubnetUnused(tx, subnet)
    return {
      ...given,
      addressSpace: given['addressSpace'] ?? { addressPrefixes: [] },
      subnets,
      enableDdosProtection: false,
    }
  },
  async assertUnused(_plane, tx, network) {
    for (const subnet of subnetsOf(network)) await assertSubnetUnused(tx, subnet)
  },
}

/** Rights that a subnet takes at what it names. */
function subnetLinks(subnet: Fields): Link[] {
  const id = subnet.object('properties').object('networkSecurityGroup').text('id')
  return id === undefined ? [] : [{ id, action: 'Microsoft.Network/networkSecurityGroups/join/action' }]
}

/** What a subnet names exists, is locked against deletion, and has its effect; its id is stored as it was created. */
async function checkReferences(plane: Plane, tx: Db, fields: Fields, { properties }: Subnet): Promise<void> {
  const named = fields.object('properties')
  const id = await checkReference(plane, tx, named.object('networkSecurityGroup'), 'networkSecurityGroups')
  if (id === undefined) delete properties['networkSecurityGroup']
  else properties['networkSecurityGroup'] = { id }
  refuseReferences(named, subnetReferences)
}

const subnetReferences = ['routeTable', 'natGateway', 'serviceEndpointPolicies'] as const
const networkReferences = ['ddosProtectionPlan', 'virtualNetworkPeerings'] as const

/** References without effect are refused: to what is not offered, and so to nothing. */
function refuseReferences(fields: Fields, names: readonly string[]): void {
  for (const name of names) {
    const given = fields.raw(name)
    if (given === undefined || given === null || (Array.isArray(given) && given.length === 0)) continue
    fields.unsupported(fields.at(name), `'${name}' is not offered.`, {
      expected: `no ${name}`,
      found: 'one',
      remedy: 'Leave it out.',
    })
  }
}

function readNetworks(fields: Fields, name: string, texts: string[]): Cidr[] {
  return texts.flatMap((text) => {
    const network = parseCidr(text)
    if (network !== undefined) return [network]
    fields.problem({ ...wrongNetwork(text.slice(0, 40)), target: fields.at(name), found: text.slice(0, 40) })
    return []
  })
}

function wrongNetwork(text: string): Problem {
  const [address = '', length = ''] = text.split('/')
  const problem = (why: string, expected: string): Problem => ({
    code: 'InvalidCIDRNotation',
    message: `The address prefix ${text} has an invalid CIDR notation. ${why}`,
    expected,
  })
  const start = parseAddress(address)
  if (start === undefined || !/^\d+$/.test(length))
    return problem('It is not an IPv4 address with the length of its prefix.', 'for example 10.0.0.0/16')
  const bits = Number(length)
  if (bits > 32)
    return problem(
      `An IPv4 address has 32 bits: /${length} is longer.`,
      'a prefix length from 0 to 32, for example /24',
    )
  const first = formatAddress(start - (start % 2 ** (32 - bits)))
  return problem(
    "For the given prefix length, the address prefix should be the network's first address.",
    `${first}/${bits}`,
  )
}

function readSubnet(fields: Fields, networkId: string): Subnet {
  const name = fields.text('name') ?? ''
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$/.test(name)) throw invalidName(name)
  const properties = fields.object('properties')
  const prefix = properties.text('addressPrefix') ?? properties.texts('addressPrefixes', 1_000)[0] ?? ''
  readNetworks(properties, 'addressPrefix', [prefix])
  const given = (withoutNulls(fields.raw('properties')) ?? {}) as Json
  return {
    name,
    id: `${networkId}/subnets/${name}`,
    properties: { ...given, addressPrefix: prefix, provisioningState: 'Succeeded' },
  }
}

function checkSubnets(fields: Fields, prefixes: Cidr[], subnets: Subnet[]): void {
  const networks = subnets.map((subnet) => ({ subnet, network: parseCidr(subnet.properties.addressPrefix) }))
  for (const [index, { subnet, network }] of networks.entries()) {
    if (network === undefined) continue
    const { addressPrefix } = subnet.properties
    const problem = (code: SettledCode, message: string): void =>
      fields.problem({
        code,
        message,
        target: `properties.subnets[${index}].properties.addressPrefix`,
        found: addressPrefix,
      })
    if (network.bits > maxHosts)
      problem('NetcfgInvalidSubnet', `Subnet '${subnet.name}' is too small: the longest prefix is /${maxHosts}.`)
    if (!prefixes.some((prefix) => contains(prefix, network))) {
      problem(
        'NetcfgInvalidSubnet',
        `Subnet '${subnet.name}' is not valid because its IP address range is outside the IP address range of virtual network.`,
      )
    }
    const other = networks
      .slice(0, index)
      .find((earlier) => earlier.network !== undefined && overlaps(earlier.network, network))
    if (other !== undefined) {
      problem(
        'NetcfgSubnetRangesOverlap',
        `Subnet '${subnet.name}' is not valid because its IP address range overlaps with that of an existing ` +
          `subnet '${other.subnet.name}'.`,
      )
    }
  }
}

async function assertSubnetUnused(tx: Db, subnet: Subnet): Promise<void> {
  const used = await tx.selectFrom('address').select('owner').where('pool', '=', keyOf(subnet.id)).executeTakeFirst()
  if (used === undefined) return
  throw new ServiceError({
    code: 'InUseSubnetCannotBeDeleted',
    message:
      `Subnet ${subnet.name} is in use by ${used.owner} and cannot be deleted. In order to delete the subnet, ` +
      'delete all the resources within the subnet.',
    found: used.owner,
    remedy: 'Delete the network interfaces of the subnet first.',
  })
}

/** Subnets as child resources, stored in their network's row. */
export const subnets: Children<Subnet> = {
  parent: type,
  kind: 'subnets',
  members: subnetMembers,
  of: subnetsOf,
  write(network, fields, before) {
    const made = readSubnet(fields, network.id)
    const old = subnetsOf(network)
    const all =
      before === undefined ? [...old, made] : old.map((subnet) => (keyOf(subnet.id) === keyOf(made.id) ? made : subnet))
    const prefixes = prefixesOf(network).flatMap((text) => parseCidr(text) ?? [])
    checkSubnets(fields, prefixes, all)
    fields.assertSound()
    return { made, all }
  },
  links: subnetLinks,
  check: checkReferences,
  assertUnused: assertSubnetUnused,
}
