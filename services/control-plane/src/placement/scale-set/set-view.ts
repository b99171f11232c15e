import type { ArmRequest } from '../../arm/request.ts'
import { resourceView } from '../../arm/resource-view.ts'
import type { Plane } from '../../types/plane.ts'
import type { Json } from '../../store/resources.ts'
import { instancesOf, scaleSetType, type ScaleSet } from '../../providers/compute/scale-set/scale-set-model.ts'
import { instanceView } from '../../providers/compute/vm/vm-view.ts'
import { stateOf } from '../../providers/compute/vm/model/vm-model.ts'
import { objectAt, without } from './members.ts'

/** A set as clients see it: with its current or target number of VMs. */
export async function viewOfSet(plane: Plane, set: ScaleSet, request: ArmRequest): Promise<Record<string, unknown>> {
  const { body, internal } = set
  const { profile } = internal
  const scaling = ['Creating', 'Updating'].includes(String(body.properties['provisioningState']))
  const capacity = scaling ? internal.capacity : (await standingOf(plane, set)).length
  const withUserData = request.query['$expand']?.toLowerCase() === 'userdata'
  const properties = {
    ...body.properties,
    ...(profile !== undefined && { virtualMachineProfile: shownProfile(profile, withUserData) }),
  }
  const sku = internal.vmSize === undefined ? undefined : { name: internal.vmSize, tier: 'Standard', capacity }
  return resourceView({ ...set, body: { ...body, properties, ...(sku !== undefined && { sku }) } }, scaleSetType)
}

/** The VMs of a set that are to stay. */
export const standingOf = async (plane: Plane, set: ScaleSet): ReturnType<typeof instancesOf> =>
  (await instancesOf(plane, set)).filter((vm) => stateOf(vm) !== 'Deleting')

/** First-boot data is never shown; user data is on request. */
function shownProfile(profile: Json, withUserData: boolean): Json {
  const shown = without(profile, ['osProfile', ...(withUserData ? [] : ['userData'])])
  return { ...shown, osProfile: without(objectAt(profile, 'osProfile'), ['adminPassword', 'customData']) }
}

/** How many VMs of the set are in which state. */
export async function summary(plane: Plane, set: ScaleSet): Promise<Json> {
  const counts = new Map<string, number>()
  for (const vm of await instancesOf(plane, set))
    for (const { code } of (await instanceView(plane, vm)).statuses)
      if (/^(ProvisioningState|PowerState)\//.test(code)) counts.set(code, (counts.get(code) ?? 0) + 1)
  const state = String(set.body.properties['provisioningState'])
  return {
    virtualMachine: { statusesSummary: [...counts].map(([code, count]) => ({ code, count })) },
    statuses: [
      {
        code: `ProvisioningState/${state.toLowerCase()}`,
        level: state === 'Failed' ? 'Error' : 'Info',
        displayStatus: state === 'Succeeded' ? 'Provisioning succeeded' : state,
        time: set.updatedAt,
      },
    ],
  }
}
