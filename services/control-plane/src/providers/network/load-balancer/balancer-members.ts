import { ServiceError } from '@strongroom/platform'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Db, Json, Resource } from '../../../store/resources.ts'
import { partsOf, type Part } from './balancer-parts.ts'

interface Reference {
  id?: string
}

/** Ids of interfaces' IP configurations, by pool (id in lower case). */
export async function membersOf(plane: Plane, db?: Db): Promise<Map<string, Reference[]>> {
  const members = new Map<string, Reference[]>()
  for (const nic of await plane.resources.list({ type: 'Microsoft.Network/networkInterfaces' }, db)) {
    const configurations = (nic.body.properties['ipConfigurations'] ?? []) as { id: string; properties: Json }[]
    for (const { id, properties } of configurations)
      for (const pool of (properties['loadBalancerBackendAddressPools'] ?? []) as Reference[]) {
        const key = keyOf(pool.id ?? '')
        const known = members.get(key)
        if (known === undefined) members.set(key, [{ id }])
        else known.push({ id })
      }
  }
  return members
}

/** @throws ServiceError if an interface is behind one of the pools, or a scale set puts its instances there */
export async function assertPoolsUnused(plane: Plane, tx: Db, pools: readonly Pick<Part, 'id'>[]): Promise<void> {
  if (pools.length === 0) return
  const members = await membersOf(plane, tx)
  const sets = await plane.resources.list({ type: 'Microsoft.Compute/virtualMachineScaleSets' }, tx)
  for (const { id } of pools) {
    const key = keyOf(id)
    const set = sets.find(({ body, internal }) =>
      JSON.stringify([body.properties, internal]).toLowerCase().includes(`"${key}"`),
    )
    const user = set?.id ?? members.get(key)?.[0]?.id
    if (user === undefined) continue
    throw new ServiceError({
      code: set === undefined ? 'InUseBackendAddressPoolCannotBeDeleted' : 'LoadBalancerUseByVirtualMachineScaleSet',
      message: `The backend address pool ${id} cannot be removed since it is in use by ${user}.`,
      found: user,
      remedy: 'First remove the interface or the scale set from the pool, or delete it.',
    })
  }
}

/** The load balancer with the references between its parts: interfaces to pools, rules to frontends, pools and probes. */
export function withReferences(balancer: Resource, members: Map<string, Reference[]>): Json {
  // Once for all parts: there may be five hundred of a kind and as many rules (attack W22).
  const using = new Map<string, Reference[]>()
  for (const { id, properties } of partsOf(balancer, 'loadBalancingRules'))
    for (const member of ['frontendIPConfiguration', 'backendAddressPool', 'probe']) {
      const key = keyOf((properties[member] as Reference | undefined)?.id ?? '')
      const known = using.get(key)
      if (known === undefined) using.set(key, [{ id }])
      else known.push({ id })
    }
  const adding = (kind: 'backendAddressPools' | 'frontendIPConfigurations' | 'probes'): Part[] =>
    partsOf(balancer, kind).map((part) => ({
      ...part,
      properties: {
        ...part.properties,
        ...(kind === 'backendAddressPools' && { backendIPConfigurations: members.get(keyOf(part.id)) ?? [] }),
        loadBalancingRules: using.get(keyOf(part.id)) ?? [],
      },
    }))
  return {
    ...balancer.body.properties,
    frontendIPConfigurations: adding('frontendIPConfigurations'),
    backendAddressPools: adding('backendAddressPools'),
    probes: adding('probes'),
  }
}
