import type { SagaDefinition, SagaStep } from '@strongroom/platform'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import type { Plane } from '../../../types/plane.ts'
import { assertLeftWhole, waitUntilStopped } from './vm-boot.ts'
import { changeVm, type VmParams } from './model/vm-record.ts'

/** Until a VM is off and its guest state is written. */
export const stopSteps = <P extends VmParams>(plane: Plane, graceful: (params: P) => boolean): SagaStep<P>[] => [
  { name: 'stop', do: async (c) => void (await plane.host.stop(c.params.vmId, graceful(c.params))) },
  { name: 'wait until the VM is off', do: async (c) => await waitUntilStopped(plane, c, c.params.vmId) },
  leftWhole(plane),
]

export function powerOffSaga(plane: Plane): SagaDefinition<VmParams & { graceful: boolean }> {
  return { kind: 'vm.powerOff', steps: stopSteps(plane, ({ graceful }) => graceful) }
}

/** The last step of a stop: the VM is off by then, in whatever state. */
const leftWhole = (plane: Plane): SagaStep<VmParams> => ({
  name: 'see that its guest state was written',
  do: async (c) => await assertLeftWhole(plane, c.params.vmId),
})

export function deallocateSaga(plane: Plane): SagaDefinition<VmParams> {
  return {
    kind: 'vm.deallocate',
    steps: [
      { name: 'stop', do: async (c) => void (await plane.host.stop(c.params.vmId, true)) },
      { name: 'wait until the VM is off', do: async (c) => await waitUntilStopped(plane, c, c.params.vmId) },
      {
        name: 'free its cores',
        do: async (c) => {
          await plane.resources.transaction(async (tx) => {
            await plane.quotas.release(tx, keyOf(c.params.id))
            await plane.fleet.compute?.released(tx, c.params.vmId)
            await changeVm(plane, c.params, (vm) => void (vm.internal.deallocated = true), tx)
          })
        },
      },
      leftWhole(plane),
    ],
  }
}
