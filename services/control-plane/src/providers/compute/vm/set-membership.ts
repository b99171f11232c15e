import { invalid, noSuch } from '../../../arm/refusals.ts'
import type { Problem } from '../../../arm/fields.ts'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import type { Plane } from '../../../types/plane.ts'
import { isOfType, type Resource } from '../../../store/resources.ts'
import type { VmRequest } from './model/requested-vm.ts'

/** Sets that VMs are made in: each VM names its own. */
export interface SetKind<Internal> {
  type: string
  /** For example availability set. */
  what: string
  /** Where a request names it. */
  target: string
  /** How one is created. */
  remedy: string
  /** What else keeps a VM out of a set. */
  problems(r: VmRequest, set: Resource<Internal>): Problem[]
}

/** The set that a new VM names, or why the VM cannot join it. @param vmId ARM id of the VM */
export async function resolveMembership<Internal>(
  plane: Plane,
  kind: SetKind<Internal>,
  vmId: string,
  r: VmRequest,
  id: string | undefined,
): Promise<{ problems: Problem[] } | { set?: { id: string } }> {
  if (id === undefined) return {}
  const { type, target, remedy } = kind
  const set = await plane.resources.find(id)
  if (!isOfType<Internal>(set, type)) return { problems: [noSuch(kind.what, id, { target, type, remedy })] }
  const problems = [...placeProblems(kind, r, vmId, set), ...kind.problems(r, set)]
  return problems.length > 0 ? { problems } : { set: { id: set.id } }
}

const groupOf = (path: string): string => path.split('/').slice(0, 5).join('/')

function placeProblems<Internal>(
  { what, target }: SetKind<Internal>,
  { location }: VmRequest,
  vmId: string,
  { id, location: own }: Resource<Internal>,
): Problem[] {
  const [expected, found] = [groupOf(vmId), groupOf(id)]
  const elsewhere = invalid(target, `The ${what} '${id}' is not in the virtual machine's resource group.`, {
    expected,
    found,
    remedy: 'Use a set in the virtual machine’s group.',
  })
  const far = invalid(target, `The ${what} '${id}' is in '${own}', the virtual machine in '${location}'.`, {
    expected: location,
    found: own,
    remedy: 'Use a set in the virtual machine’s region.',
  })
  return [...(keyOf(expected) === keyOf(found) ? [] : [elsewhere]), ...(own === location ? [] : [far])]
}
