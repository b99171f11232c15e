import type { GuestInterface } from '@strongroom/contract'
import { ServiceError, type Operation } from '@strongroom/platform'
import type { Link } from '../../arm/access.ts'
import { keyOf } from '../../arm/ids/resource-id.ts'
import {
  attachInterface,
  detachInterface,
  interfaceType,
  ipConfigurationsOf,
} from '../../providers/network/interfaces.ts'
import { subnetsOf } from '../../providers/network/virtual-network/virtual-networks.ts'
import type { Plane } from '../../types/plane.ts'
import type { Db } from '../../store/resources.ts'
import type { Vm, VmModel, VmNic } from '../../providers/compute/vm/model/vm-model.ts'
import { primaryOf } from '../../providers/compute/vm/model/requested-vm.ts'

/** Interfaces new to the VM require the right to join them. */
export function nicLinks(nics: readonly VmNic[], before: VmModel | undefined): Link[] {
  const held = new Set((before?.nics ?? []).map(({ id }) => keyOf(id)))
  return nics.filter(({ id }) => !held.has(keyOf(id))).map(({ id }) => ({ id, action: `${interfaceType}/join/action` }))
}

/** Attaches new interfaces, releases omitted ones, and marks on each whether it is primary. */
export async function applyNics(
  plane: Plane,
  tx: Db,
  o: { vmId: string; before: readonly VmNic[]; after: readonly VmNic[] },
): Promise<void> {
  const kept = new Set(o.after.map(({ id }) => keyOf(id)))
  for (const { id } of o.before) {
    if (!kept.has(keyOf(id))) await detachInterface(plane, tx, { nicId: id, vmId: o.vmId, goes: () => false })
  }
  for (const { id, primary } of o.after) await attachInterface(plane, tx, { nicId: id, vmId: o.vmId, primary })
}

/** Azure's rule: an allocated VM's hardware does not change. @throws ServiceError */
export function assertDeallocated(vm: Vm, running: Operation | undefined): void {
  if (vm.internal.deallocated && running === undefined) return
  throw new ServiceError({
    code: 'AddingOrDeletingNetworkInterfacesOnARunningVirtualMachineNotSupported',
    message:
      `Virtual machine ${vm.id} must be stop-deallocated before network interfaces can be added to it or removed ` +
      'from it, or another one can be made the primary one.',
    target: 'networkProfile.networkInterfaces',
    expected: 'a deallocated VM',
    found: running === undefined ? 'an allocated VM' : `${running.kind} in progress`,
    remedy: 'Deallocate the VM, make the change, then start it again.',
  })
}

/** A VM's interfaces for its host: the primary one, and the others. */
export async function hostNetwork(
  plane: Plane,
  vm: Vm,
): Promise<{ network: Omit<GuestInterface, 'subnetPrefix'>; interfaces: GuestInterface[]; subnetPrefix?: string }> {
  const { nics } = vm.internal.model
  const primary = primaryOf(nics)
  const all = await Promise.all(
    [primary, ...nics.filter((nic) => nic !== primary)].map(async (nic) => await interfaceOf(plane, vm, nic?.id ?? '')),
  )
  const [first, ...interfaces] = all
  if (first === undefined) throw new TypeError(`the record of ${vm.id} is incomplete`)
  const { subnetPrefix, ...network } = first
  return { network, interfaces, ...(subnetPrefix !== '' && { subnetPrefix }) }
}

async function interfaceOf(plane: Plane, vm: Vm, nicId: string): Promise<GuestInterface> {
  const nic = await plane.resources.get(nicId)
  const configuration = ipConfigurationsOf(nic)[0]?.properties
  const mac = nic.body.properties['macAddress']
  if (configuration === undefined || typeof mac !== 'string')
    throw new TypeError(`the record of ${vm.id} is incomplete`)
  const subnetId = configuration.subnet.id
  const network = await plane.resources.find(subnetId.split('/').slice(0, 9).join('/'))
  const subnet = network && subnetsOf(network).find(({ id }) => keyOf(id) === keyOf(subnetId))
  return {
    macAddress: mac.toLowerCase().replaceAll('-', ':'),
    privateIpAddress: configuration.privateIPAddress,
    subnetPrefix: subnet?.properties.addressPrefix ?? '',
  }
}
