import { noSuch, invalid } from '../../../arm/refusals.ts'
import type { Link } from '../../../arm/access.ts'
import type { Problem } from '../../../arm/fields.ts'
import { keyOf } from '../../../arm/resource-id.ts'
import type { Plane } from '../../../plane.ts'
import { isOfType, type Db, type Resource } from '../../../store/resources.ts'
import type { VmModel } from '../vm/vm-model.ts'
import type { VmRequest } from '../vm/vm-request.ts'
import { availabilitySetType } from './set-model.ts'

const target = 'properties.availabilitySet.id'

/** Naming a set requires the right to see it. */
export function availabilityLinks(id: string | undefined): Link[] {
  return id === undefined ? [] : [{ id, action: `${availabilitySetType}/read` }]
}

/** The set that a new VM names, or why the VM cannot join it. @param vmId ARM id of the VM */
export async function resolveAvailabilitySet(
  plane: Plane,
  vmId: string,
  r: VmRequest,
): Promise<{ problems: Problem[] } | { set?: { id: string } }> {
  const id = r.availabilitySetId
  if (id === undefined) return {}
  const set = await plane.resources.find(id)
  if (!isOfType<Resource['internal']>(set, availabilitySetType)) return { problems: [noSuchSet(id)] }
  const problems = membershipProblems(r, vmId, set)
  return problems.length > 0 ? { problems } : { set: { id: set.id } }
}

function membershipProblems(r: VmRequest, vmId: string, set: Resource): Problem[] {
  const problems: Problem[] = []
  const groupOf = (path: string): string => path.split('/').slice(0, 5).join('/')
  if (keyOf(groupOf(set.id)) !== keyOf(groupOf(vmId)))
    problems.push(
      invalid(target, `The availability set '${set.id}' is not in the virtual machine's resource group.`, {
        expected: groupOf(vmId),
        found: groupOf(set.id),
        remedy: 'Use a set in the virtual machine’s group.',
      }),
    )
  if (set.location !== r.location)
    problems.push(
      invalid(
        target,
        `The availability set '${set.id}' is in '${set.location}', the virtual machine in '${r.location}'.`,
        { expected: r.location, found: set.location, remedy: 'Use a set in the virtual machine’s region.' },
      ),
    )
  if (r.zones.length > 0)
    problems.push({
      code: 'BadRequest',
      message:
        'Virtual Machine cannot be created because both Availability Zone and Availability Set were specified. Deploying an Availability Set to an Availability Zone isn’t supported.',
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
        'Addition of a managed disk VM to non-managed Availability Set or addition of an unmanaged (blob based) disk VM to managed Availability Set is not supported. Please create an Availability Set with \'managed\' property set in order to add a managed disk VM to it.', // prettier-ignore
      target,
      expected: 'a set with the SKU Aligned',
      found: 'Classic',
      remedy: 'Convert the set: az vm availability-set convert.',
    })
  return problems
}

const noSuchSet = (id: string): Problem =>
  noSuch('availability set', id, {
    target,
    type: availabilitySetType,
    remedy: 'Create the set first: az vm availability-set create.',
  })

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
