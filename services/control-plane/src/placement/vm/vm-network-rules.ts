import { invalid, missing } from '../../arm/refusals.ts'
import type { Problem } from '../../arm/fields.ts'
import { keyOf } from '../../arm/ids/resource-id.ts'
import {
  hasAcceleratedNetworking,
  interfaceType,
  ipConfigurationsOf,
  vmOf,
} from '../../providers/network/interfaces.ts'
import { referenceProblem } from '../../providers/network/resource/provider.ts'
import type { Resource } from '../../store/resources.ts'
import { findSize } from '../../providers/compute/size/sizes.ts'
import type { VmRequest } from '../../providers/compute/vm/model/requested-vm.ts'

const target = 'properties.networkProfile.networkInterfaces'

/** Everything about a VM's network interfaces. @param nics the interfaces in the request, in order */
export function networkProblems(r: VmRequest, nics: (Resource | undefined)[], vmId: string): Problem[] {
  if (r.nics.length === 0)
    return [
      missing('networkProfile.networkInterfaces', target, {
        expected: 'a network interface',
        found: 'none',
        remedy: 'Name a network interface.',
      }),
    ]
  return [
    ...countProblems(r, vmId),
    ...nics.flatMap((nic, index) => interfaceProblems(r, nic, index, vmId)),
    ...subnetProblems(r, nics, vmId),
  ]
}

function countProblems(r: VmRequest, vmId: string): Problem[] {
  const problems: Problem[] = []
  const name = vmId.split('/').at(-1) ?? ''
  const size = findSize(r.vmSize ?? '')
  const count = r.nics.length
  if (size !== undefined && count > size.maxNics)
    problems.push({
      code: 'NetworkInterfaceCountExceeded',
      message:
        `The number of network interfaces for virtual machine ${name} exceeds the maximum allowed for the virtual ` +
        `machine size ${size.name}. The number of network interfaces is ${count} and the maximum allowed is ` +
        `${size.maxNics}.`,
      target,
      expected: `at most ${size.maxNics}`,
      found: String(count),
      remedy: 'Use fewer network interfaces, or a larger size.',
    })
  const primaries = r.nics.filter(({ primary }) => primary).length
  if (primaries !== 1)
    problems.push({
      code: 'VirtualMachineMustHaveOneNetworkInterfaceAsPrimary',
      message: `Virtual machine ${name} must have one network interface set as the primary.`,
      target,
      expected: 'primary: true on one of them',
      found: `on ${primaries}`,
      remedy: 'Set primary: true on one network interface.',
    })
  const ids = r.nics.map(({ id }) => keyOf(id))
  const twice = r.nics.find(({ id }, index) => ids.indexOf(keyOf(id)) !== index)
  if (twice !== undefined)
    problems.push(
      invalid(target, `Network interface ${twice.id} is specified more than once.`, {
        expected: 'each network interface once',
        found: twice.id.slice(0, 300),
      }),
    )
  return problems
}

function interfaceProblems(r: VmRequest, nic: Resource | undefined, index: number, vmId: string): Problem[] {
  const at = `${target}[${index}]`
  const id = r.nics[index]?.id ?? ''
  if (nic === undefined || nic.type !== interfaceType.toLowerCase()) return [referenceProblem(`${at}.id`, id)]
  const problems: Problem[] = []
  if (nic.location !== r.location) problems.push(referenceProblem(`${at}.id`, id))
  const other = vmOf(nic)
  if (other !== undefined && keyOf(other) !== keyOf(vmId)) {
    problems.push({
      code: 'NicInUse',
      status: 400,
      message: `Network Interface ${nic.id} is used by existing resource ${other}.`,
      target: `${at}.id`,
      found: other,
      remedy: 'Create another network interface.',
    })
  }
  // Refused on ordinary VMs too: the machine has no such hardware.
  if (hasAcceleratedNetworking(nic)) {
    problems.push({
      code: 'VMSizeIsNotPermittedToEnableAcceleratedNetworking',
      message:
        `${vmId} has size ${r.vmSize ?? ''}, which is not compatible with enabling accelerated networking on ` +
        'network interface(s) on the VM. Compatible VM sizes: none: confidential VMs have no accelerated ' +
        'networking, and this host has none for other VMs.',
      target: at,
      expected: 'enableAcceleratedNetworking: false',
      found: 'true',
      remedy: 'Turn accelerated networking off on the network interface.',
      rule: 'S21',
    })
  }
  return problems
}

const subnetOf = (nic: Resource | undefined): string | undefined =>
  nic === undefined ? undefined : ipConfigurationsOf(nic)[0]?.properties.subnet.id

const networkIdOf = (subnetId: string): string => subnetId.split('/').slice(0, 9).join('/')

/** All interfaces of a VM are in one virtual network. */
function subnetProblems(r: VmRequest, nics: (Resource | undefined)[], vmId: string): Problem[] {
  const first = nics.map(subnetOf).find((id) => id !== undefined)
  if (first === undefined) return []
  return nics.flatMap((nic, index): Problem[] => {
    const subnet = subnetOf(nic)
    if (subnet === undefined || keyOf(networkIdOf(subnet)) === keyOf(networkIdOf(first))) return []
    return [
      {
        code: 'SubnetsNotInSameVnet',
        message:
          `Subnet ${subnet} referenced by network interface ${r.nics[index]?.id ?? ''} is not in the same virtual ` +
          `network as subnet ${first} of the other network interfaces of virtual machine ${vmId}.`,
        target: `${target}[${index}].id`,
        expected: networkIdOf(first),
        found: networkIdOf(subnet),
        remedy: 'Use network interfaces in one virtual network.',
      },
    ]
  })
}
