import { noSuch, notAllowed, invalid } from '../../../arm/refusals.ts'
import type { Link } from '../../../arm/access.ts'
import type { Problem } from '../../../arm/fields.ts'
import { keyOf } from '../../../arm/resource-id.ts'
import type { Plane } from '../../../plane.ts'
import { isOfType, type Db } from '../../../store/resources.ts'
import type { VmModel } from '../vm/vm-model.ts'
import type { VmRequest } from '../vm/vm-request.ts'
import { scaleSetType, type ScaleSet, type ScaleSetInternal } from './scale-set-model.ts'

const target = 'properties.virtualMachineScaleSet.id'

/** A VM counts towards the set's scaling: adding one requires the right to write the set. */
export function scaleSetLinks(id: string | undefined): Link[] {
  return id === undefined ? [] : [{ id, action: `${scaleSetType}/write` }]
}

/** The set that a new VM names, or why the VM cannot join it. @param vmId ARM id of the VM */
export async function resolveScaleSet(
  plane: Plane,
  vmId: string,
  r: VmRequest,
): Promise<{ problems: Problem[] } | { set?: { id: string } }> {
  const id = r.scaleSetId
  if (id === undefined) return {}
  const set = await plane.resources.find(id)
  if (!isOfType<ScaleSetInternal>(set, scaleSetType)) return { problems: [noSuchSet(id)] }
  const problems = membershipProblems(r, vmId, set)
  return problems.length > 0 ? { problems } : { set: { id: set.id } }
}

function membershipProblems(r: VmRequest, vmId: string, set: ScaleSet): Problem[] {
  const problems: Problem[] = []
  const groupOf = (path: string): string => path.split('/').slice(0, 5).join('/')
  const refuse = (message: string, expected: string, found: string, remedy: string): void =>
    void problems.push(invalid(target, message, { expected, found, remedy }))
  if (keyOf(groupOf(set.id)) !== keyOf(groupOf(vmId)))
    refuse(
      `The virtual machine scale set '${set.id}' is not in the virtual machine's resource group.`,
      groupOf(vmId),
      groupOf(set.id),
      'Use a set in the virtual machine’s group.',
    )
  if (set.location !== r.location)
    refuse(
      `The virtual machine scale set '${set.id}' is in '${set.location}', the virtual machine in '${r.location}'.`,
      r.location,
      set.location,
      'Use a set in the virtual machine’s region.',
    )
  const zones = set.body.zones ?? []
  if (r.zones.some((zone) => !zones.includes(zone)))
    refuse(
      `The virtual machine scale set '${set.name}' does not have zone ${r.zones.join(', ')} of the virtual machine.`,
      zones.length === 0 ? 'no zone' : zones.join(', '),
      r.zones.join(', '),
      'Use a zone of the set.',
    )
  if (r.availabilitySetId !== undefined)
    refuse(
      'A virtual machine can be in an availability set or a virtual machine scale set, not both.',
      'one of them',
      r.availabilitySetId.slice(0, 300),
      'Remove one of them.',
    )
  return problems
}

const noSuchSet = (id: string): Problem =>
  noSuch('virtual machine scale set', id, {
    target,
    type: scaleSetType,
    remedy: 'Create the set first: az vmss create --orchestration-mode Flexible.',
  })

/**
 * Locks the set's row until the transaction ends, so that it is not deleted while a VM joins.
 * @throws ServiceError ResourceNotFound if it is gone; OperationNotAllowed while it is being deleted
 */
export async function holdScaleSet(plane: Plane, tx: Db, { scaleSet }: Pick<VmModel, 'scaleSet'>): Promise<void> {
  if (scaleSet === undefined) return
  const set = await plane.resources.getLocked(tx, scaleSet.id)
  if (set.body.properties['provisioningState'] !== 'Deleting') return
  throw notAllowed(`The virtual machine scale set ${set.id} is being deleted.`, {
    target,
    remedy: 'Wait until it is gone.',
  })
}
