import type { AskedBy } from '@strongroom/contract'
import { ServiceError, type Operation, type SagaDefinition } from '@strongroom/platform'
import { underWay, begin } from '../../../arm/operations.ts'
import { notAllowed } from '../../../arm/refusals.ts'
import type { OnBehalfOf } from '../../../arm/on-behalf-of.ts'
import type { Plane } from '../../../plane.ts'
import type { Db, Resource } from '../../../store/resources.ts'
import { destroyStored } from '../disk/stored/sagas.ts'
import { disksWithin, pointsOf } from './point-model.ts'

interface RemovalParams {
  /** ARM id of a restore point, or of a collection. */
  id: string
  /** Distinguishes it from a later one of the same name. */
  createdAt: string
  /** Absent if the platform itself deletes it. */
  asker?: AskedBy
}

/**
 * Begins to delete a restore point, or a collection with all of its points.
 * @throws ServiceError OperationNotAllowed while one of its disks has a valid address
 */
export async function removePoints(plane: Plane, asker: OnBehalfOf, resource: Resource<unknown>): Promise<Operation> {
  const disks = await disksWithin(plane, resource)
  for (const { id, internal } of disks) {
    const access = internal.kept && (await plane.host.findDisk(internal.kept.id))?.access
    if (access !== undefined) throw givenOut(id, access.until)
  }
  const points = await pointsOf(plane, resource)
  const under: Operation[] = []
  for (const { key } of [resource, ...points]) under.push(...(await underWay(plane.runner, key)))
  const deleting = under.find(({ kind, resourceId }) => kind === 'restorePoint.remove' && resourceId === resource.key)
  if (deleting !== undefined) return deleting
  for (const { id, kind } of under) if (kind === 'restorePoint.create') await plane.runner.cancel(id)
  return await plane.resources.transaction(async (tx) => {
    for (const { id } of [resource, ...points]) await mark(plane, tx, id, 'Deleting')
    return await begin(plane.runner, tx, 'restorePoint.remove', resource, asker, {
      id: resource.id,
      createdAt: resource.createdAt,
      ...(asker && { asker }),
    } satisfies RemovalParams)
  })
}

const mark = async (plane: Plane, tx: Db, id: string, state: 'Deleting' | 'Failed'): Promise<void> => {
  await plane.resources.change(tx, id, ({ body }) => void (body.properties['provisioningState'] = state))
}

export function removePointsSaga(plane: Plane): SagaDefinition<RemovalParams> {
  const find = async (params: RemovalParams, tx?: Db): Promise<Resource | undefined> => {
    const found = await plane.resources.find(params.id, tx)
    return found?.createdAt === params.createdAt ? found : undefined
  }
  return {
    kind: 'restorePoint.remove',
    steps: [
      {
        name: 'destroy copies of disks',
        do: async ({ params }) => {
          const found = await find(params)
          if (found === undefined) return
          for (const { internal } of await disksWithin(plane, found))
            if (internal.kept !== undefined) await destroyStored(plane, params.asker, internal.kept.id)
        },
      },
      {
        name: 'remove records',
        do: async ({ params }) => {
          await plane.resources.transaction(async (tx) => {
            const found = await find(params, tx)
            if (found === undefined) return
            const inside = [...(await disksWithin(plane, found, tx)), ...(await pointsOf(plane, found, tx))]
            for (const { id } of [...inside, found]) await plane.resources.remove(tx, id)
          })
        },
      },
    ],
    onFinished: async ({ params, status }) => {
      if (status === 'Succeeded') return
      await plane.resources.transaction(async (tx) => {
        const found = await find(params, tx)
        if (found === undefined) return
        for (const { id } of [found, ...(await pointsOf(plane, found, tx))]) await mark(plane, tx, id, 'Failed')
      })
    },
  }
}

const givenOut = (id: string, until: string): ServiceError =>
  notAllowed(
    `There is an active shared access signature outstanding for disk restore point ${id}. Call EndGetAccess on the disk restore point before deleting it.`,
    {
      target: id,
      expected: 'no valid address',
      found: `one valid until ${until}`,
      remedy: 'Revoke it with endGetAccess.',
    },
  )
