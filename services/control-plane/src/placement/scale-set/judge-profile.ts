import type { Link } from '../../arm/access.ts'
import { Fields, type Problem } from '../../arm/fields.ts'
import { keyOf } from '../../arm/ids/resource-id.ts'
import type { Plane } from '../../types/plane.ts'
import { vmType } from '../../providers/compute/vm/model/vm-model.ts'
import { readVmRequest } from '../../providers/compute/vm/vm-request.ts'
import { interfaceType, mostIpConfigurations, networkInterfaces } from '../../providers/network/interfaces.ts'
import { hasPool } from '../../providers/network/load-balancer/load-balancers.ts'
import { referenceProblem } from '../../providers/network/resource/provider.ts'
import { subnetsOf } from '../../providers/network/virtual-network/virtual-networks.ts'
import { isOfType, type Json } from '../../store/resources.ts'
import { judgeVm } from '../vm-write/judge.ts'
import { linksOf, resolvedLinks } from '../vm-write/links.ts'
import { resolveVm } from '../vm-write/resolve.ts'
import { groupOf, instanceId, newInstanceName, type InstanceModel } from './instance-model.ts'
import { instanceRequest } from './instance-request.ts'
import { networkRequests, type NetworkRequest } from './network-requests.ts'
import { poolsNamed } from '../../providers/network/load-balancer/balancer-parts.ts'

/**
 * Judges a profile by the request for one of its instances: read, resolved and judged like a VM's, so that a set
 * accepts what a VM accepts.
 * @param require for what the caller must be allowed elsewhere
 * @returns the problems
 * @throws ServiceError LinkedAuthorizationFailed
 */
export async function judgeProfile(
  plane: Plane,
  model: InstanceModel,
  zones: readonly string[],
  fields: Fields,
  require: (links: Link[]) => Promise<void>,
): Promise<Problem[]> {
  const name = newInstanceName(zones[0])
  const id = instanceId(model.id, name)
  const group = groupOf(model.id)
  const profile = new Fields(model.profile, 'properties.virtualMachineProfile', fields.problems)
  const interfaces = networkRequests(model, name, `${group}/providers/Microsoft.Network`, profile)
  const wanted = readVmRequest(instanceRequest(model, name, []), { groupLocation: model.location, merge: false })
  const read = { name: id.split('/').at(-1) ?? '', existing: undefined, wanted }
  await require([
    { id: group, action: `${vmType}/write` },
    { id: group, action: `${interfaceType}/write` },
    ...(interfaces.some(({ address }) => address !== undefined)
      ? [{ id: group, action: 'Microsoft.Network/publicIPAddresses/write' }]
      : []),
    ...interfaces.flatMap(({ body }) => networkLinks(body)),
    ...linksOf(read),
  ])
  const resolved = await resolveVm(plane, id, read)
  await require(resolvedLinks(plane, read, resolved))
  const problems = judgeVm(id, read, resolved).filter(
    ({ target }) => target?.startsWith('properties.networkProfile') !== true,
  )
  return [...problems.map(ofProfile), ...(await interfaceProblems(plane, model, interfaces))]
}

/** All but the address, which is created with the interface. */
const networkLinks = (body: NetworkRequest['body']): Link[] =>
  (networkInterfaces.links?.(new Fields(body)) ?? []).filter(({ action }) => !action.includes('/publicIPAddresses/'))

/** A problem of an instance, reported at its cause in the profile. */
function ofProfile(problem: Problem): Problem {
  const { target = '' } = problem
  if (/(^|\.)hardwareProfile\.vmSize$/.test(target)) return { ...problem, target: 'sku.name' }
  const at = target.replace(/^properties\./, '').replace(/osProfile\.computerName$/, 'osProfile.computerNamePrefix')
  const own =
    /^(securityProfile|storageProfile|osProfile|userData|diagnosticsProfile|applicationProfile|additionalCapabilities|priority)/
  return own.test(at) ? { ...problem, target: `properties.virtualMachineProfile.${at}` } : problem
}

async function interfaceProblems(
  plane: Plane,
  { location, vmSize }: InstanceModel,
  interfaces: readonly NetworkRequest[],
): Promise<Problem[]> {
  const target = 'properties.virtualMachineProfile.networkProfile.networkInterfaceConfigurations'
  const problems: Problem[] = []
  if (interfaces.length > 1 && interfaces.filter(({ primary }) => primary).length !== 1)
    problems.push({
      code: 'VirtualMachineMustHaveOneNetworkInterfaceAsPrimary',
      message: 'Instances must have one network interface set as the primary.',
      target,
      expected: 'primary: true on one of them',
      found: `on ${interfaces.filter(({ primary }) => primary).length}`,
      remedy: 'Set primary: true on one network interface configuration.',
    })
  for (const { body } of interfaces) {
    const properties = new Fields(body).object('properties')
    if (properties.flag('enableAcceleratedNetworking') === true)
      problems.push({
        code: 'VMSizeIsNotPermittedToEnableAcceleratedNetworking',
        message:
          `Instances have size ${vmSize}, which is not compatible with enabling accelerated networking. Compatible ` +
          'VM sizes: none: confidential VMs have no accelerated networking, and this host has none for other VMs.',
        target,
        expected: 'enableAcceleratedNetworking: false',
        found: 'true',
        remedy: 'Turn accelerated networking off.',
        rule: 'S21',
      })
    const configuration = properties.list('ipConfigurations', mostIpConfigurations)[0]?.object('properties')
    const subnetId = configuration?.object('subnet').text('id') ?? ''
    for (const pool of configuration === undefined ? [] : poolsNamed(configuration)) {
      const poolId = pool.text('id') ?? ''
      if (!(await hasPool(plane, poolId)))
        problems.push(referenceProblem(`${target}.loadBalancerBackendAddressPools`, poolId.slice(0, 300)))
    }
    problems.push(...(await groupProblems(plane, properties, target)))
    const network = await plane.resources.find(subnetId.split('/').slice(0, 9).join('/'))
    const isNetwork = isOfType<Json>(network, 'Microsoft.Network/virtualNetworks')
    const subnet = isNetwork ? subnetsOf(network).find(({ id }) => keyOf(id) === keyOf(subnetId)) : undefined
    if (subnet === undefined || network?.location !== location)
      problems.push(referenceProblem(`${target}.subnet.id`, subnetId.slice(0, 300)))
  }
  return problems
}

async function groupProblems(plane: Plane, properties: Fields, target: string): Promise<Problem[]> {
  const id = properties.object('networkSecurityGroup').text('id')
  if (id === undefined || isOfType(await plane.resources.find(id), 'Microsoft.Network/networkSecurityGroups')) return []
  return [referenceProblem(`${target}.networkSecurityGroup`, id.slice(0, 300))]
}
