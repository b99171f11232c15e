import { checkPreconditions } from '../../arm/preconditions.ts'
import type { ArmRequest } from '../../arm/request.ts'
import type { Vm, VmInternal } from '../../providers/compute/vm/model/vm-model.ts'
import { readVmRequest } from '../../providers/compute/vm/vm-request.ts'
import type { VmRequest } from '../../providers/compute/vm/model/requested-vm.ts'
import { invalidName } from '../../providers/compute/vm/model/vm-record.ts'
import type { Plane } from '../../types/plane.ts'

const nameForm = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?$/

/** A request merged over the existing VM. */
export interface ReadVm {
  name: string
  existing: Vm | undefined
  /** Malformed values are reported in its fields. */
  wanted: VmRequest
}

/**
 * @param bodyOf for requests written relative to the existing VM
 * @throws ServiceError if the name is unavailable, a PATCH finds nothing, or the request refers to another state
 */
export async function readVm(
  plane: Plane,
  request: ArmRequest,
  bodyOf: (existing: Vm | undefined) => unknown,
): Promise<ReadVm> {
  const name = request.params['name'] ?? ''
  if (!nameForm.test(name)) throw invalidName(name)
  const group = await plane.resources.requireGroup(request.path)
  const existing = await plane.resources.find<VmInternal>(request.path)
  if (existing === undefined && request.method === 'PATCH') await plane.resources.get(request.path)
  checkPreconditions(request, existing)
  const wanted = readVmRequest(bodyOf(existing), {
    groupLocation: group.location,
    merge: request.method === 'PATCH',
    ...(existing !== undefined && { existing: existing.internal.model }),
  })
  return { name, existing, wanted }
}
