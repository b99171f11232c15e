import { ServiceError } from '@strongroom/platform'
import type { Link } from '../../../arm/access.ts'
import { Fields } from '../../../arm/fields.ts'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Db, Json, Resource } from '../../../store/resources.ts'
import type { Along } from '../../../types/along.ts'
import { release, takeAddress } from '../virtual-network/address-pool.ts'
import { attachPublicAddress, detachPublicAddress, findSubnet } from '../virtual-network/address-holders.ts'
import { balancerMembers } from './part-members.ts'
import {
  addressJoin,
  checkReference,
  readAllocation,
  referenceProblem,
  type NetworkKind,
  type Written,
} from '../resource/provider.ts'
import { assertPoolsUnused, membersOf, withReferences } from './balancer-members.ts'
import { balancerType, listed, partKinds, partsOf, readParts, type Part } from './balancer-parts.ts'

/** Load balancers are stored and validated like Azure's; nothing is balanced, because only SSH reaches a guest from outside. */
export const loadBalancers: NetworkKind = {
  name: 'loadBalancers',
  members: balancerMembers,
  refersTo: ['publicIPAddresses', 'virtualNetworks'].map((name) => `Microsoft.Network/${name}`),
  links(fields) {
    const frontends = listed(fields.object('properties'), 'frontendIPConfigurations')
    return frontends
      .map((each) => each.object('properties'))
      .flatMap((properties): Link[] => {
        const address = properties.object('publicIPAddress').text('id')
        const subnet = properties.object('subnet').text('id')
        return [
          ...(address === undefined ? [] : [{ id: address, action: addressJoin }]),
          ...(subnet === undefined
            ? []
            : [{ id: subnet, action: 'Microsoft.Network/virtualNetworks/subnets/join/action' }]),
        ]
      })
  },
  async complete(plane, written) {
    const { tx, id, fields, existing } = written
    const properties = fields.object('properties')
    const parts = readParts(id, properties)
    fields.assertSound()
    const before = existing === undefined ? [] : partsOf(existing, 'frontendIPConfigurations')
    const has = (kept: readonly Part[], part: Part): boolean => kept.some((each) => keyOf(each.id) === keyOf(part.id))
    if (existing !== undefined)
      await assertPoolsUnused(
        plane,
        tx,
        partsOf(existing, 'backendAddressPools').filter((pool) => !has(parts.backendAddressPools, pool)),
      )
    for (const gone of before.filter((frontend) => !has(parts.frontendIPConfigurations, frontend)))
      await giveBack(plane, tx, gone)
    const frontends = listed(properties, 'frontendIPConfigurations')
    for (const [index, frontend] of parts.frontendIPConfigurations.entries())
      await completeFrontend(plane, written, {
        frontend,
        fields: frontends[index]!.object('properties'),
        before: before.find((each) => keyOf(each.id) === keyOf(frontend.id)),
      })
    fields.assertSound()
    return { ...written.given, ...parts }
  },
  along: async (_plane, balancer) =>
    partsOf(balancer, 'frontendIPConfigurations').flatMap(({ properties }): Along[] => {
      const { publicIPAddress } = properties as FrontendProperties
      return publicIPAddress === undefined ? [] : [{ id: publicIPAddress.id, does: 'change' }]
    }),
  async assertUnused(plane, tx, balancer) {
    await assertPoolsUnused(plane, tx, partsOf(balancer, 'backendAddressPools'))
  },
  async released(plane, tx, balancer) {
    for (const frontend of partsOf(balancer, 'frontendIPConfigurations')) await giveBack(plane, tx, frontend)
  },
  async view(plane, resource) {
    const balancer = resource as Resource
    const shown = resourceView(balancer, balancerType)
    return { ...shown, properties: withReferences(balancer, await membersOf(plane)) }
  },
}

interface FrontendProperties extends Json {
  publicIPAddress?: { id: string }
  subnet?: { id: string }
  privateIPAddress?: string
}

async function completeFrontend(
  plane: Plane,
  { tx, id, fields: all }: Written,
  { frontend, fields, before }: { frontend: Part; fields: Fields; before: Part | undefined },
): Promise<void> {
  const old = before?.properties as FrontendProperties | undefined
  const allocation = readAllocation(fields, old?.privateIPAddress)
  const { method, wanted } = allocation
  const subnetId = fields.object('subnet').text('id')
  const publicId = await checkReference(plane, tx, fields.object('publicIPAddress'), 'publicIPAddresses')
  if ((subnetId === undefined) === !fields.object('publicIPAddress').has('id'))
    fields.invalid(
      fields.at('publicIPAddress'),
      `The frontend IP configuration ${frontend.name} has a public IP address or a subnet.`,
      {
        expected: 'one of publicIPAddress and subnet',
        found: subnetId === undefined ? 'neither' : 'both',
        remedy: 'Name one.',
      },
    )
  const subnet = subnetId === undefined ? undefined : await findSubnet(plane, tx, subnetId)
  if (subnetId !== undefined && subnet === undefined)
    fields.problem(referenceProblem(fields.at('subnet.id'), subnetId.slice(0, 300)))
  all.assertSound()
  const keepsPublic = publicId !== undefined && keyOf(old?.publicIPAddress?.id ?? '') === keyOf(publicId)
  const keepsPrivate =
    subnet !== undefined &&
    keyOf(old?.subnet?.id ?? '') === keyOf(subnet.id) &&
    (wanted === undefined || wanted === old?.privateIPAddress)
  if (before !== undefined && !keepsPublic && !keepsPrivate) await giveBack(plane, tx, before)
  if (publicId !== undefined) {
    await attachPublicAddress(plane, tx, publicId, frontend.id)
    frontend.properties['publicIPAddress'] = { id: publicId }
  }
  if (subnet === undefined) return
  const pool = { subnetKey: keyOf(subnet.id), prefix: subnet.properties.addressPrefix, owner: keyOf(id) }
  frontend.properties['subnet'] = { id: subnet.id }
  frontend.properties['privateIPAllocationMethod'] = method
  frontend.properties['privateIPAddress'] = keepsPrivate
    ? old?.privateIPAddress
    : await takeAddress(tx, pool, allocation)
}

async function giveBack(plane: Plane, tx: Db, frontend: Part): Promise<void> {
  const { publicIPAddress, subnet, privateIPAddress } = frontend.properties as FrontendProperties
  if (publicIPAddress !== undefined) await detachPublicAddress(plane, tx, publicIPAddress.id, frontend.id)
  if (subnet !== undefined && privateIPAddress !== undefined) await release(tx, keyOf(subnet.id), privateIPAddress)
}

/** The id of an existing pool, whose load balancer is locked, or undefined with a problem. */
export async function requirePool(plane: Plane, tx: Db, reference: Fields): Promise<string | undefined> {
  const id = reference.text('id') ?? ''
  const found = poolOf(await plane.resources.lock(tx, balancerIdOf(id)), id)
  if (found === undefined) reference.problem(referenceProblem(reference.at('id'), id.slice(0, 300)))
  return found?.id
}

export const hasPool = async (plane: Plane, id: string): Promise<boolean> =>
  poolOf(await plane.resources.find(balancerIdOf(id)), id) !== undefined

const balancerIdOf = (partId: string): string => partId.split('/').slice(0, 9).join('/')

const poolOf = (balancer: Resource | undefined, id: string): Part | undefined =>
  balancer?.type === balancerType.toLowerCase()
    ? partsOf(balancer, 'backendAddressPools').find((pool) => keyOf(pool.id) === keyOf(id))
    : undefined

/** A load balancer's body with one part added or removed. */
export function bodyWith(balancer: Resource, kind: (typeof partKinds)[number], name: string, part?: Json): Json {
  const others = partsOf(balancer, kind).filter((each) => each.name.toLowerCase() !== name.toLowerCase())
  return {
    properties: {
      ...balancer.body.properties,
      [kind]: [...others, ...(part === undefined ? [] : [{ ...part, name }])],
    },
  }
}

export const noPart = (path: string): ServiceError =>
  new ServiceError({ code: 'NotFound', message: `Resource ${path.slice(0, 300)} not found.` })
