import { keyOf } from '../arm/resource-id.ts'
import { removeProvider } from '../attestation/provider-routes.ts'
import { providerType } from '../attestation/provider-view.ts'
import { vmType, type VmInternal } from '../compute/vm-model.ts'
import { managedHsmType } from '../keyvault/managed-hsm-model.ts'
import { vaultType } from '../keyvault/vault-model.ts'
import type { Machine } from '../machine/machine.ts'
import { SimulatedMachine } from '../machine/simulated-machine.ts'
import type { Plane } from '../plane.ts'
import { isOfType } from '../store/resources.ts'
import type { Tables } from '../store/tables.ts'

/** What a resource manager that was just made has none of. Roles, prices and the meter's clock stay. */
const emptied: (keyof Tables)[] = [
  'resource',
  'quota_limit',
  'quota_counter',
  'quota_reservation',
  'quota_request',
  'address',
  'management_lock',
  'subscription_tag',
  'tag_name',
  'usage_interval',
  'operation_note',
  'activity',
]

/**
 * Takes the subscription back to empty: VMs with their keys and identities, vaults and HSMs (purged where they may be),
 * attestation providers, then every row. What runs is cancelled first. Roles at the subscription stay; those below it go.
 * @param machine the driver itself, not what shows its faults
 * @returns how many resources there were
 */
export async function resetPlane(plane: Plane, machine: Machine): Promise<number> {
  for (const runner of [plane.outer, plane.runner]) {
    const unfinished = await runner.listUnfinished()
    for (const { id } of unfinished) await runner.cancel(id)
    for (const { id } of unfinished) await runner.wait(id)
  }
  const resources = await plane.resources.list({})
  const vms = resources.filter((each) => isOfType<VmInternal>(each, vmType))
  if (machine instanceof SimulatedMachine) await machine.removeAll()
  else
    for (const vm of vms) {
      const { vmId } = vm.internal
      await machine.remove(vmId)
      await plane.keys.destroy(undefined, vmId)
    }
  for (const resource of resources) {
    if (resource.type === providerType.toLowerCase()) await removeProvider(plane, resource)
    if (resource.type === vaultType.toLowerCase()) await plane.vaults.delete(undefined, resource.name)
    if (resource.type === managedHsmType.toLowerCase()) await plane.vaults.deleteHsm(undefined, resource.name)
    if (resource.body.identity !== undefined) await plane.identities.remove(resource.id)
  }
  for (const { name, enablePurgeProtection } of await plane.vaults.listDeleted())
    if (!enablePurgeProtection) await plane.vaults.purge(undefined, name)
  for (const { name, enablePurgeProtection } of await plane.vaults.listDeletedHsms())
    if (!enablePurgeProtection) await plane.vaults.purgeHsm(undefined, name)
  await plane.resources.transaction(async (tx) => {
    for (const table of emptied) await tx.deleteFrom(table).execute()
    await tx
      .deleteFrom('role_assignment')
      .where('scope', '!=', keyOf(`/subscriptions/${plane.subscriptionId}`))
      .where('scope', '!=', '/')
      .execute()
  })
  return resources.length
}
