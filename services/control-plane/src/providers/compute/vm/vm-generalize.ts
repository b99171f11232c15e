import { notAllowed } from '../../../arm/refusals.ts'
import type { Answers } from '../../../types/resource-type.ts'
import { requireOff } from '../disk/stored/source.ts'
import type { Vm, VmInternal } from './model/vm-model.ts'
import { changeVm } from './model/vm-record.ts'

/** generalize declares that the guest was deprovisioned: from then on the VM is a source of images and never starts. */
export const generalizing: Answers<VmInternal> = {
  generalize: async (plane, _request, vm) => {
    await requireOff(plane, vm, 'generalized')
    const { vmId } = vm.internal
    await changeVm(plane, { id: vm.id, vmId }, (current) => void (current.internal.generalized = true))
    return { status: 200 }
  },
  capture: async (_plane, _request, vm) => {
    throw notAllowed(`The disk of VM '${vm.name}' is a managed disk: it cannot be captured into a storage account.`, {
      target: vm.id,
      remedy: 'Capture it into a gallery: az sig image-version create --virtual-machine …',
    })
  },
}

/** @throws ServiceError OperationNotAllowed in Azure's words */
export function assertNotGeneralized(vm: Vm, operation: string): void {
  if (vm.internal.generalized !== true) return
  throw notAllowed(`Operation '${operation}' is not allowed on VM '${vm.name}' since the VM is generalized.`, {
    target: vm.id,
    expected: 'a VM that is not generalized',
    found: 'OSState/generalized',
    remedy: 'Create an image version from it and a new VM from that, or delete it.',
  })
}
