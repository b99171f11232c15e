import type { Link } from '../../arm/access.ts'
import type { ArmRequest } from '../../arm/request.ts'
import { resolveCopies } from '../../providers/compute/disk/disk-copies.ts'
import type { Vm } from '../../providers/compute/vm/model/vm-model.ts'
import type { Plane } from '../../types/plane.ts'
import { requireAlong } from '../../types/along.ts'
import { attachedAlong } from '../vm/vm-along.ts'
import { updateVm } from './update.ts'
import { createVm } from './creation.ts'
import { judgeVm } from './judge.ts'
import { linksOf, resolvedLinks } from './links.ts'
import { readVm } from './read.ts'
import { resolveVm } from './resolve.ts'
import type { VmWritten } from './written.ts'

/**
 * PUT and PATCH: creates the VM, changes it, or finds nothing to change. Nothing is written before the last stage.
 * @param bodyOf for requests written relative to the existing VM
 * @throws ServiceError LinkedAuthorizationFailed; one with every fault; OperationNotAllowed, Conflict
 */
export async function writeVm(
  plane: Plane,
  request: ArmRequest,
  bodyOf: (existing: Vm | undefined) => unknown = () => request.body,
): Promise<VmWritten> {
  const read = await readVm(plane, request, bodyOf)
  const require = async (links: Link[]): Promise<void> =>
    await plane.access.requireLinked(request.caller, request.path, links)
  await require(linksOf(read))
  const resolved = await resolveVm(plane, request.path, read)
  await require(resolvedLinks(plane, read, resolved))
  const attached = attachedAlong(read.existing?.internal.model, read.wanted)
  await requireAlong(plane, { asker: request.caller, path: request.path }, attached)
  const problems = judgeVm(request.path, read, resolved)
  const copies = problems.length > 0 ? new Map() : await resolveCopies(plane, request, read.wanted)
  return read.existing === undefined
    ? await createVm(plane, request, { ...read, copies }, resolved, problems)
    : await updateVm(plane, request, { existing: read.existing, wanted: read.wanted, copies, resolved, problems })
}
