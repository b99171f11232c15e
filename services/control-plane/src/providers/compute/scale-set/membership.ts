import { invalid, notAllowed } from '../../../arm/refusals.ts'
import type { Link } from '../../../arm/access.ts'
import type { Problem } from '../../../arm/fields.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Db } from '../../../store/resources.ts'
import type { SetKind } from '../vm/set-membership.ts'
import type { VmModel } from '../vm/model/vm-model.ts'
import type { VmRequest } from '../vm/model/requested-vm.ts'
import { scaleSetType, type ScaleSet, type ScaleSetInternal } from './scale-set-model.ts'

const target = 'properties.virtualMachineScaleSet.id'

/** A VM counts towards the set's scaling: adding one requires the right to write the set. */
export function scaleSetLinks(id: string | undefined): Link[] {
  return id === undefined ? [] : [{ id, action: `${scaleSetType}/write` }]
}

export const scaling: SetKind<ScaleSetInternal> = {
  type: scaleSetType,
  what: 'virtual machine scale set',
  target,
  remedy: 'Create the set first: az vmss create --orchestration-mode Flexible.',
  problems: membershipProblems,
}

function membershipProblems(r: VmRequest, set: ScaleSet): Problem[] {
  const problems: Problem[] = []
  const refuse = (message: string, expected: string, found: string, remedy: string): void =>
    void problems.push(invalid(target, message, { expected, found, remedy }))
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
