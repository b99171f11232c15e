import type { Operation } from '@strongroom/platform'
import { begin } from '../../arm/operations.ts'
import type { ArmRequest } from '../../arm/request.ts'
import type { Plane } from '../../types/plane.ts'
import type { Json, ResourceBody } from '../../store/resources.ts'
import { findSize } from '../../providers/compute/size/sizes.ts'
import { instancesOf, type ScaleSet, type ScaleSetInternal } from '../../providers/compute/scale-set/scale-set-model.ts'
import { stateOf } from '../../providers/compute/vm/model/vm-model.ts'
import { changedMeanwhile } from '../../types/conflicts.ts'
import { findUserIdentity } from '../../types/references.ts'
import { objectAt } from './members.ts'
import type { SetRequest } from './set-request.ts'
import type { ScaleParams } from './write-saga.ts'

/**
 * Writes a judged set, and begins to bring it to its number of VMs if that changes.
 * @throws ServiceError OperationNotAllowed if all of them exceed the quota; Conflict
 */
export async function writeSet(
  plane: Plane,
  request: ArmRequest,
  r: SetRequest,
  existing: ScaleSet | undefined,
): Promise<{ set: ScaleSet; operation?: Operation }> {
  const identity = await identityView(plane, r.identity)
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, request.path)
    const current = await plane.resources.lock<ScaleSetInternal>(tx, request.path)
    if (current?.internal.uniqueId !== existing?.internal.uniqueId) throw changedMeanwhile(request.path)
    const standing = current === undefined ? [] : await instancesOf(plane, current, tx)
    const count = standing.filter((vm) => stateOf(vm) !== 'Deleting').length
    const capacity = r.capacity ?? count
    const size = findSize(r.vmSize ?? '')
    if (capacity > count && size !== undefined)
      await plane.quotas.assertRoom(tx, { region: r.location, size, count: capacity - count })
    const scales = capacity !== count && (capacity < count || size !== undefined)
    const state = scales ? (existing === undefined ? 'Creating' : 'Updating') : 'Succeeded'
    const internal: ScaleSetInternal = {
      uniqueId: current?.internal.uniqueId ?? plane.newId(),
      capacity,
      ...(r.profile !== undefined && { profile: r.profile }),
      ...(size !== undefined && { vmSize: size.name }),
    }
    const body: ResourceBody = {
      tags: r.tags,
      ...(r.zones.length > 0 && { zones: r.zones }),
      ...(identity !== undefined && { identity }),
      properties: {
        ...r.kept,
        orchestrationMode: 'Flexible',
        uniqueId: internal.uniqueId,
        timeCreated: current?.body.properties['timeCreated'] ?? plane.clock.now().toISOString(),
        provisioningState: state,
      },
    }
    const set =
      current === undefined
        ? await plane.resources.insert(tx, { id: request.path, location: r.location, body, internal })
        : await plane.resources.change<ScaleSetInternal>(tx, request.path, (each) => {
            each.body = body
            each.internal = internal
          })
    if (set === undefined) throw changedMeanwhile(request.path)
    if (!scales) return { set }
    const { caller, correlationId } = request
    const operation = await begin<ScaleParams>(
      plane.middle,
      tx,
      'scaleSet.scale',
      { resource: set, asker: caller },
      {
        id: set.id,
        uniqueId: internal.uniqueId,
        caller,
        correlationId,
        capacity,
      },
    )
    return { set, operation }
  })
}

/** With the principal of each identity, as Azure shows it. */
async function identityView(plane: Plane, identity: Json | undefined): Promise<Json | undefined> {
  if (identity === undefined || /^none$/i.test(String(identity['type']))) return undefined
  const shown: Json = {}
  for (const id of Object.keys(objectAt(identity, 'userAssignedIdentities'))) {
    const found = await findUserIdentity(plane, id)
    if (found !== undefined) shown[found.id] = { principalId: found.principalId, clientId: found.clientId }
  }
  return { type: identity['type'], userAssignedIdentities: shown }
}
