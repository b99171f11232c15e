import type { Link } from '../../../arm/access.ts'
import type { Problem } from '../../../arm/fields.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Db, Resource } from '../../../store/resources.ts'
import type { SetKind } from '../vm/set-membership.ts'
import type { VmModel } from '../vm/model/vm-model.ts'
import type { VmRequest } from '../vm/model/requested-vm.ts'
import { availabilitySetType } from './set-model.ts'

const target = 'properties.availabilitySet.id'

/** Naming a set requires the right to see it. */
export function availabilityLinks(id: string | undefined): Link[] {
  return id === undefined ? [] : [{ id, action: `${availabilitySetType}/read` }]
}

export const availability: SetKind<Resource['internal']> = {
  type: availabilitySetType,
  what: 'availability set',
  target,
  remedy: 'Create the set first: az vm availability-set create.',
  problems: membershipProblems,
}

function membershipProblems(r: VmRequest, set: Resource): Problem[] {
  const problems: Problem[] = []
  if (r.zones.length > 0)
    problems.push({
      code: 'BadRequest',
      message:
        'Virtual Machine cannot be created because both Availability Zone and Availability Set were specified. ' +
        'Deploying an Availability Set to an Availability Zone isn’t supported.',
      target,
      expected: 'a zone or an availability set',
      found: `zone ${r.zones.join(', ')} and ${set.name}`,
      remedy: 'Remove one of them.',
    })
  if (set.body.sku?.['name'] !== 'Aligned')
    problems.push({
      code: 'OperationNotAllowed',
      status: 409,
      message:
        'Addition of a managed disk VM to non-managed Availability Set or addition of an unmanaged (blob based) ' +
        "disk VM to managed Availability Set is not supported. Please create an Availability Set with 'managed' " +
        'property set in order to add a managed disk VM to it.',
      target,
      expected: 'a set with the SKU Aligned',
      found: 'Classic',
      remedy: 'Convert the set: az vm availability-set convert.',
    })
  return problems
}

/**
 * Locks the set's row until the transaction ends, so that it is not deleted while a VM joins.
 * @throws ServiceError ResourceNotFound if it is gone
 */
export async function holdAvailabilitySet(
  plane: Plane,
  tx: Db,
  { availabilitySet }: Pick<VmModel, 'availabilitySet'>,
): Promise<void> {
  if (availabilitySet !== undefined) await plane.resources.getLocked(tx, availabilitySet.id)
}
