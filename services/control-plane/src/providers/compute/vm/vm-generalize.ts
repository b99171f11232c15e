import { notAllowed } from '../../../arm/refusals.ts'
import { route, type Route } from '../../../arm/router.ts'
import { groupPath, type Plane } from '../../../plane.ts'
import { requireOff } from '../disk/stored/source.ts'
import { vmType, type Vm, type VmInternal } from './vm-model.ts'
import { changeVm } from './vm-record.ts'

/** generalize says that the guest was deprovisioned: from then on the VM is a source of images and starts no more. */
export function generalizeRoutes(plane: Plane): Route[] {
  const one = `${groupPath}/providers/${vmType}/{name}`
  const vmOf = async (path: string): Promise<Vm> =>
    await plane.resources.get<VmInternal>(path.split('/').slice(0, 9).join('/'))
  return [
    route.post(`${one}/generalize`, `${vmType}/generalize/action`, async (request) => {
      const vm = await vmOf(request.path)
      await requireOff(plane, vm, 'generalized')
      await changeVm(plane, { id: vm.id, vmId: vm.internal.vmId }, (current) => {
        current.internal.generalized = true
      })
      return { status: 200 }
    }),
    route.post(`${one}/capture`, `${vmType}/capture/action`, async (request) => {
      const vm = await vmOf(request.path)
      throw notAllowed(`The disk of VM '${vm.name}' is a managed disk: it cannot be captured into a storage account.`, {
        target: vm.id,
        remedy: 'Capture it into a gallery: az sig image-version create --virtual-machine …',
      })
    }),
  ]
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
