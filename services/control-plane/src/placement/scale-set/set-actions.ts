import { ServiceError, type Caller, type SagaDefinition } from '@strongroom/platform'
import { accepted } from '../../arm/operations.ts'
import { Fields } from '../../arm/fields.ts'
import { ok, type ArmReply, type ArmRequest, type Method } from '../../arm/request.ts'
import { route, type Route } from '../../arm/router.ts'
import { groupPath, type Plane } from '../../types/plane.ts'
import { instanceView, vmView } from '../../providers/compute/vm/vm-view.ts'
import {
  instancesOf,
  scaleSetType,
  type ScaleSet,
  type ScaleSetInternal,
} from '../../providers/compute/scale-set/scale-set-model.ts'
import type { Vm, VmInternal } from '../../providers/compute/vm/model/vm-model.ts'
import { requireAlong } from '../../types/along.ts'
import { alongVm } from '../vm/vm-along.ts'
import type { Answers, AtResource } from '../../types/resource-type.ts'
import { ask } from './inner-request.ts'
import { followAll, type SetParams } from './write-saga.ts'

const one = `${groupPath}/providers/${scaleSetType}/{name}`
const instance = `${one}/virtualMachines/{instance}`

interface ActionParams extends SetParams {
  calls: { method: Method; path: string; query?: Record<string, string> }[]
}

/** An action on several VMs of a set at once, each as a separate request. */
export function actionSaga(plane: Plane): SagaDefinition<ActionParams> {
  return {
    kind: 'scaleSet.act',
    steps: [
      {
        name: 'ask virtual machines',
        do: async ({ params: { calls, caller, correlationId } }) => {
          const operations: (string | undefined)[] = []
          for (const call of calls) operations.push(await ask(plane, { ...call, caller, correlationId }))
          return { operations }
        },
      },
      {
        name: 'wait for them',
        do: async ({ data, signal }) => await followAll(plane, data['operations'] as (string | undefined)[], signal),
      },
    ],
  }
}

const powers = ['start', 'restart', 'powerOff', 'deallocate', 'redeploy', 'reapply'] as const

/** Actions on all or named VMs of a set. */
export const setActions: Answers<ScaleSetInternal> = {
  ...Object.fromEntries(
    powers.map((power) => [power, onSet(power, (vm) => ({ method: 'POST', path: `${vm}/${power}` }))]),
  ),
  delete: onSet('delete', (vm) => ({ method: 'DELETE', path: vm })),
}

/** Actions that are refused, and those on one VM, by its path in the set. */
export function actionRoutes(plane: Plane): Route[] {
  const instances = `${scaleSetType}/virtualMachines`
  return [
    ...['manualupgrade', 'reimage', 'reimageall'].map((name) => refusedRoute(name)),
    ...powers.map((power) =>
      route.post(`${instance}/${power}`, `${instances}/${power}/action`, async (request) => {
        const { set, vm } = await instanceOf(plane, request)
        return await act(plane, request, set, [{ method: 'POST', path: `${vm.id}/${power}` }])
      }),
    ),
    route.delete(instance, `${instances}/delete`, async (request) => {
      const { set, vm } = await instanceOf(plane, request)
      return await act(plane, request, set, [{ method: 'DELETE', path: vm.id }])
    }),
    route.get(instance, `${instances}/read`, async (request) => ok(shown((await instanceOf(plane, request)).vm))),
    route.get(`${instance}/instanceView`, `${instances}/instanceView/read`, async (request) =>
      ok(await instanceView(plane, (await instanceOf(plane, request)).vm)),
    ),
  ]
}

/** The VMs of a set, as it lists them. */
export async function virtualMachines(plane: Plane, request: ArmRequest, set: ScaleSet): Promise<ArmReply> {
  const expanded = `${request.query['$expand'] ?? ''} ${request.query['$select'] ?? ''}`.toLowerCase()
  const views = (await instancesOf(plane, set)).map(async (vm) =>
    shown(vm, expanded.includes('instanceview') ? await instanceView(plane, vm) : undefined),
  )
  return ok({ value: await Promise.all(views) })
}

/** In flexible mode, an instance's id is its VM's name. */
const shown = (vm: Vm, view?: Awaited<ReturnType<typeof instanceView>>): Record<string, unknown> => ({
  ...vmView(vm, view),
  instanceId: vm.name,
})

type CallOf = (vmId: string) => { method: Method; path: string }

function onSet(name: string, call: CallOf): AtResource<ScaleSetInternal> {
  return async (plane, request, set) => {
    const vms = await named(plane, request, set, name === 'delete')
    const skip = name === 'powerOff' && request.query['skipshutdown']?.toLowerCase() === 'true'
    const calls = vms.map(({ id }) => ({ ...call(id), ...(skip && { query: { skipshutdown: 'true' } }) }))
    return await act(plane, request, set, calls)
  }
}

const refusedRoute = (name: string): Route =>
  route.post(`${one}/${name}`, `${scaleSetType}/${name}/action`, async () => {
    throw new ServiceError({
      code: 'NotSupported',
      status: 400,
      message: `Instances of a scale set are not upgraded or reimaged in place: '${name}' is not offered.`,
      remedy: 'Delete instances and scale out again: az vmss delete-instances, then az vmss scale.',
    })
  })

async function instanceOf(plane: Plane, request: ArmRequest): Promise<{ set: ScaleSet; vm: Vm }> {
  const set = await plane.resources.get<ScaleSetInternal>(request.path.split('/').slice(0, 9).join('/'))
  const name = request.params['instance'] ?? ''
  const vm = (await instancesOf(plane, set)).find((each) => each.name.toLowerCase() === name.toLowerCase())
  if (vm === undefined) throw noInstance(name, 404)
  return { set, vm }
}

/** The VMs named in a body, `*` for all; all by default too, except for delete. */
async function named(plane: Plane, request: ArmRequest, set: ScaleSet, mustName: boolean): Promise<Vm[]> {
  const fields = new Fields(request.body ?? {})
  const ids = fields.texts('instanceIds', 1_000)
  if (mustName && ids.length === 0)
    fields.missing('instanceIds', 'instanceIds', {
      expected: 'names of virtual machines of the set, or *',
      found: 'none',
    })
  fields.assertSound()
  const all = await instancesOf(plane, set)
  if (ids.length === 0 || ids.includes('*')) return all
  const byName = new Map(all.map((vm) => [vm.name.toLowerCase(), vm]))
  return [...new Set(ids.map((id) => id.toLowerCase()))].map((id) => {
    const vm = byName.get(id)
    if (vm === undefined) throw noInstance(id, 400)
    return vm
  })
}

const noInstance = (id: string, status: 400 | 404): ServiceError =>
  new ServiceError({
    ...(status === 400 ? { code: 'InvalidParameter' } : { code: 'ResourceNotFound', status }),
    message: `The provided instanceId ${id.slice(0, 80)} is not an active Virtual Machine Scale Set VM instanceId.`,
    target: 'instanceIds',
    expected: 'the name of a virtual machine of the set',
    found: id.slice(0, 80),
    remedy: 'List them: az vmss list-instances.',
  })

/**
 * Acting on a set requires the right to each VM and no lock on it, or on what is deleted with it: checked first, so that
 * nothing is left half done.
 */
async function act(plane: Plane, request: ArmRequest, set: ScaleSet, calls: ActionParams['calls']): Promise<ArmReply> {
  const { correlationId } = request
  const caller: Caller = request.caller
  for (const call of calls) await plane.dispatcher.authorise({ ...call, caller })
  for (const { method, path } of calls) {
    await plane.locks.require({ method, action: method, path })
    const vm = method === 'DELETE' ? await plane.resources.find<VmInternal>(path) : undefined
    if (vm !== undefined) await requireAlong(plane, { asker: caller, path }, await alongVm(plane, vm))
  }
  if (calls.length === 0) return { status: 200 }
  const operation = await plane.middle.submit<ActionParams>({
    kind: 'scaleSet.act',
    resourceId: set.key,
    principal: caller.objectId,
    params: { id: set.id, uniqueId: set.internal.uniqueId, caller, correlationId, calls },
  })
  return accepted(plane, request, set, operation)
}
