import { ok, type ArmRequest } from '../../arm/request.ts'
import { parseResourceId } from '../../arm/ids/resource-id.ts'
import type { Plane } from '../../types/plane.ts'
import type { Json, Resource } from '../../store/resources.ts'
import type { Answers } from '../../types/resource-type.ts'
import { ipConfigurationsOf } from './interfaces.ts'
import { prefixesOf, subnetsOf } from './virtual-network/virtual-networks.ts'

interface Reference {
  id: string
}

/**
 * The rules and routes in effect at an interface: those of its own security group, and of its subnet's. What the caller
 * may not read is left out.
 */
export const effective: Answers = {
  effectiveNetworkSecurityGroups: async (plane, { caller }, nic) => {
    const own = nic.body.properties['networkSecurityGroup'] as Reference | undefined
    const seen = async (group: Reference | undefined): Promise<Reference | undefined> =>
      group !== undefined && (await mayRead(plane, caller, group.id)) ? group : undefined
    const subnet = await subnetOf(plane, nic)
    const ofSubnet = subnet?.properties['networkSecurityGroup'] as Reference | undefined
    const value = [
      ...(await rulesAt(plane, await seen(own), { networkInterface: { id: nic.id } })),
      ...(await rulesAt(plane, await seen(ofSubnet), { subnet: { id: subnet?.id } })),
    ]
    return ok({ value })
  },
  effectiveRouteTable: async (plane, { caller }, nic) => {
    const found = await networkOf(plane, nic)
    const network = found !== undefined && (await mayRead(plane, caller, found.id)) ? found : undefined
    const route = (addressPrefix: string[], nextHopType: string): Json => ({
      source: 'Default',
      state: 'Active',
      addressPrefix,
      nextHopType,
      nextHopIpAddress: [],
    })
    const local = network === undefined ? [] : [route(prefixesOf(network), 'VnetLocal')]
    return ok({ value: [...local, route(['0.0.0.0/0'], 'Internet')] })
  },
}

const mayRead = async (plane: Plane, caller: ArmRequest['caller'], id: string): Promise<boolean> =>
  await plane.access.allows(caller.objectId, `${parseResourceId(id)?.type ?? ''}/read`, id)

const subnetIdOf = (nic: Resource): string => ipConfigurationsOf(nic)[0]?.properties.subnet.id ?? ''

async function networkOf(plane: Plane, nic: Resource): Promise<Resource | undefined> {
  return await plane.resources.find(subnetIdOf(nic).split('/').slice(0, 9).join('/'))
}

async function subnetOf(plane: Plane, nic: Resource): Promise<ReturnType<typeof subnetsOf>[number] | undefined> {
  const network = await networkOf(plane, nic)
  const wanted = subnetIdOf(nic).toLowerCase()
  return network === undefined ? undefined : subnetsOf(network).find(({ id }) => id.toLowerCase() === wanted)
}

async function rulesAt(plane: Plane, group: Reference | undefined, association: Json): Promise<Json[]> {
  const found = group === undefined ? undefined : await plane.resources.find(group.id)
  if (found === undefined) return []
  const { securityRules = [], defaultSecurityRules = [] } = found.body.properties as Record<string, Json[]>
  const rule =
    (prefix: string) =>
    ({ name, properties }: Json): Json => {
      const { provisioningState: _state, protocol, description: _text, ...more } = properties as Json
      return { name: `${prefix}/${String(name)}`, protocol: protocol === '*' ? 'All' : protocol, ...more }
    }
  const effectiveSecurityRules = [
    ...securityRules.map(rule('securityRules')),
    ...defaultSecurityRules.map(rule('defaultSecurityRules')),
  ]
  return [{ networkSecurityGroup: { id: found.id }, association, effectiveSecurityRules }]
}
