import { ServiceError, type Operation, type SagaDefinition } from '@strongroom/platform'
import { underWay, begin } from '../../arm/operations.ts'
import type { OnBehalfOf } from '../../arm/on-behalf-of.ts'
import { covers } from '../../arm/access.ts'
import { keyOf } from '../../arm/ids/resource-id.ts'
import type { Plane } from '../../types/plane.ts'
import type { Along } from '../../types/along.ts'
import { removeResource } from '../../types/removal.ts'
import { instancesOf, type ScaleSet, type ScaleSetInternal } from '../../providers/compute/scale-set/scale-set-model.ts'
import { alongVm } from '../vm/vm-along.ts'
import { findSet, followAll } from './write-saga.ts'

interface RemovalParams {
  /** ARM id. */
  id: string
  uniqueId: string
  asker?: OnBehalfOf
}

/**
 * Begins to delete a set with its VMs; one without VMs is deleted at once.
 */
export async function removeSet(plane: Plane, asker: OnBehalfOf, set: ScaleSet): Promise<Operation | undefined> {
  const under = await underWay(plane.runner, set.key)
  const deleting = under.find(({ kind }) => kind === 'scaleSet.remove')
  if (deleting !== undefined) return deleting
  const instances = await instancesOf(plane, set)
  if (instances.length === 0 && under.length === 0) return undefined
  for (const { id } of under) await plane.middle.cancel(id)
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.change<ScaleSetInternal>(tx, set.id, ({ body, internal }) => {
      if (internal.uniqueId === set.internal.uniqueId) body.properties['provisioningState'] = 'Deleting'
    })
    return await begin<RemovalParams>(
      plane.middle,
      tx,
      'scaleSet.remove',
      { resource: set, asker },
      {
        id: set.id,
        uniqueId: set.internal.uniqueId,
        ...(asker && { asker }),
      },
    )
  })
}

export function removalSaga(plane: Plane): SagaDefinition<RemovalParams> {
  return {
    kind: 'scaleSet.remove',
    steps: [
      {
        name: 'delete instances',
        do: async ({ params, signal }) => {
          const set = await findSet(plane, params)
          if (set === undefined) return
          const operations: (string | undefined)[] = []
          for (const { id } of await instancesOf(plane, set))
            operations.push((await removeResource(plane, params.asker, id, { within: withinOf(set) })).operation?.id)
          await followAll(plane, operations, signal)
        },
      },
      {
        name: 'remove record',
        do: async ({ params }) => {
          await plane.resources.transaction(async (tx) => {
            await plane.resources.lockGroup(tx, params.id, { evenDeleting: true })
            const set = await plane.resources.lock<ScaleSetInternal>(tx, params.id)
            if (set?.internal.uniqueId !== params.uniqueId) return
            await assertNoInstances(plane, set, tx)
            await plane.resources.remove(tx, params.id)
          })
        },
      },
    ],
    onFinished: async ({ params, status }) => {
      if (status === 'Succeeded') return
      await plane.resources.update<ScaleSetInternal>(params.id, ({ body, internal }) => {
        if (internal.uniqueId === params.uniqueId) body.properties['provisioningState'] = 'Failed'
      })
    },
  }
}

/** The right to delete a set covers what it created, as on Azure: all that is in its group. Locks are not covered. */
const withinOf = ({ id }: ScaleSet): string => id.split('/').slice(0, 5).join('/')

/** The VMs of a set, with what is deleted or detached with each. */
export async function alongSet(plane: Plane, set: ScaleSet): Promise<Along[]> {
  const group = keyOf(withinOf(set))
  const along: Along[] = []
  for (const vm of await instancesOf(plane, set))
    along.push({ id: vm.id, does: 'delete' }, ...(await alongVm(plane, vm)))
  return along.map(({ id, does, ...right }) => ({ id, does, ...(!covers(group, keyOf(id)) && right) }))
}

/** @throws ServiceError if a VM was added to the set meanwhile */
export async function assertNoInstances(
  plane: Plane,
  set: ScaleSet,
  tx: Parameters<typeof instancesOf>[2],
): Promise<void> {
  const instances = await instancesOf(plane, set, tx)
  if (instances.length === 0) return
  throw new ServiceError({
    code: 'OperationNotAllowed',
    status: 409,
    message: `The virtual machine scale set '${set.name}' cannot be deleted: it still has virtual machines.`,
    target: set.id,
    expected: 'a set without VMs',
    found: instances
      .map(({ name }) => name)
      .join(', ')
      .slice(0, 400),
    remedy: 'Repeat the deletion.',
  })
}
