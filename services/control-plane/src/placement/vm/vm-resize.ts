import type { AskedBy } from '@strongroom/contract'
import type { Operation, SagaDefinition } from '@strongroom/platform'
import { begin } from '../../arm/operations.ts'
import type { Plane } from '../../types/plane.ts'
import { stateOf, type Vm } from '../../providers/compute/vm/model/vm-model.ts'
import { changeVm, type VmParams } from '../../providers/compute/vm/model/vm-record.ts'
import { assertNotGeneralized } from '../../providers/compute/vm/vm-generalize.ts'
import { stopSteps } from '../../providers/compute/vm/vm-stop-sagas.ts'
import type { Db } from '../../store/resources.ts'
import { applyConfiguration, boot } from './vm-sagas.ts'
import { checkBoot, holdSet } from './vm-set.ts'

const sizeAlone = 'hardwareProfile.vmSize'

/** Whether a change only needs a restart: as on Azure, a running VM is restarted in its new size. */
export async function restartsIn(
  plane: Plane,
  vm: Vm,
  o: { changed: string[]; needsStop: string[]; running: Operation | undefined },
): Promise<boolean> {
  if (o.running !== undefined || o.changed.includes('storageProfile.dataDisks')) return false
  if (o.needsStop.length !== 1 || o.needsStop[0] !== sizeAlone) return false
  return (await plane.host.find(vm.internal.vmId))?.power.state === 'Ready'
}

/** Before any change: a VM that could not boot again is not stopped. @throws ServiceError */
export async function assertCanRestart(plane: Plane, asker: AskedBy, vm: Vm): Promise<void> {
  assertNotGeneralized(vm, 'restart')
  await checkBoot(plane, asker, vm.internal)
}

/** Within the transaction that changes the VM's size. */
export async function submitResize(plane: Plane, tx: Db, asker: AskedBy, vm: Vm): Promise<Operation> {
  await holdSet(plane, tx, vm.internal.model)
  return await begin(
    plane.runner,
    tx,
    'vm.resize',
    { resource: vm, asker },
    { id: vm.id, vmId: vm.internal.vmId, asker },
  )
}

/** Stop, resize, start: the launch measurement covers the number of cores. */
export function resizeSaga(plane: Plane): SagaDefinition<VmParams> {
  return {
    kind: 'vm.resize',
    steps: [
      ...stopSteps(plane, () => true),
      applyConfiguration(plane),
      { name: 'boot until the guest is ready', do: async (c) => await boot(plane, c, true) },
    ],
    onFinished: async (c) => {
      await changeVm(plane, c.params, (vm) => {
        if (stateOf(vm) !== 'Deleting')
          vm.body.properties['provisioningState'] = c.status === 'Failed' ? 'Failed' : 'Succeeded'
      })
    },
  }
}
