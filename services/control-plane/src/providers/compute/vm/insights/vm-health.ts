import { listPage } from '../../../../arm/list-page.ts'
import { ok, type ArmRequest } from '../../../../arm/request.ts'
import { route, type Route } from '../../../../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from '../../../../types/plane.ts'
import { vmType, type Vm, type VmInternal } from '../model/vm-model.ts'
import { vmOfAction } from '../model/vm-record.ts'
import { instanceView, instanceViews, type InstanceView } from '../vm-view.ts'

const statuses = 'Microsoft.ResourceHealth/availabilityStatuses'

/** Azure's Resource Health of VMs: whether a VM is available, and who caused it if not, from its host's current state. */
export function healthRoutes(plane: Plane): Route[] {
  const ofVm = `${groupPath}/providers/${vmType}/{name}/providers/${statuses}`
  const current = async (request: ArmRequest): Promise<Record<string, unknown>> => {
    const vm = await vmOfAction(plane, request)
    return healthOf(plane, vm, await instanceView(plane, vm))
  }
  const list = (scope: string): Route =>
    route.get(`${scope}/providers/${statuses}`, `${statuses}/read`, async (request) => {
      const inGroup = scope === groupPath
      if (inGroup) await plane.resources.requireGroup(request.path)
      const views = instanceViews(plane)
      return await listPage<VmInternal>(plane, request, {
        type: vmType,
        ...(inGroup && { groupId: request.path }),
        view: async (vm) => healthOf(plane, vm, await views(vm)),
      })
    })
  return [
    list(subscriptionPath),
    list(groupPath),
    route.get(ofVm, `${statuses}/read`, async (request) => ok({ value: [await current(request)] })),
    route.get(`${ofVm}/current`, `${statuses}/read`, async (request) => ok(await current(request))),
  ]
}

interface Health {
  availabilityState: 'Available' | 'Unavailable' | 'Unknown'
  title: string
  summary: string
  reasonType: '' | 'Customer Initiated' | 'Unplanned'
}

/** By power state, as in the instance view. */
const healthByPower: Record<string, Health> = {
  running: {
    availabilityState: 'Available',
    title: 'Available',
    summary: 'The virtual machine is running, and no problem is known.',
    reasonType: '',
  },
  starting: {
    availabilityState: 'Unavailable',
    title: 'Starting',
    summary: 'The virtual machine is booting; its guest is not ready yet.',
    reasonType: 'Customer Initiated',
  },
  stopping: {
    availabilityState: 'Unavailable',
    title: 'Stopping',
    summary: 'The virtual machine is being stopped, as requested.',
    reasonType: 'Customer Initiated',
  },
  stopped: {
    availabilityState: 'Unavailable',
    title: 'Stopped',
    summary: 'The virtual machine is stopped, as requested or by its guest.',
    reasonType: 'Customer Initiated',
  },
  deallocated: {
    availabilityState: 'Unavailable',
    title: 'Deallocated',
    summary: 'The virtual machine is deallocated, as requested.',
    reasonType: 'Customer Initiated',
  },
}

function healthOf(plane: Plane, vm: Vm, view: InstanceView): Record<string, unknown> {
  const power = view.statuses.find(({ code }) => code.startsWith('PowerState/'))
  const known = healthByPower[power?.code.split('/')[1] ?? '']
  const health: Health =
    known === undefined
      ? { availabilityState: 'Unknown', title: 'Unknown', summary: power?.message ?? '', reasonType: '' }
      : power?.level === 'Error'
        ? { ...known, title: 'Failed', summary: power.message ?? known.summary, reasonType: 'Unplanned' }
        : known
  const since = power?.time ?? vm.updatedAt
  return {
    id: `${vm.id}/providers/${statuses}/current`,
    name: 'current',
    type: statuses,
    location: vm.location,
    properties: {
      ...health,
      // API versions before 2022 spell it with one r.
      occuredTime: since,
      occurredTime: since,
      reasonChronicity: 'Persistent',
      reportedTime: plane.clock.now().toISOString(),
    },
  }
}
