import type { AskedBy } from '@strongroom/contract'
import type { SagaDefinition } from '@strongroom/platform'
import type { Plane } from '../../../plane.ts'
import { copyStored, destroyStored, settle, type StoredDiskParams } from '../disk/stored/sagas.ts'
import type { PointInternal } from './point-model.ts'

export interface PointParams {
  /** ARM id. */
  id: string
  /** Distinguishes it from a later restore point of the same name. */
  createdAt: string
  disks: StoredDiskParams[]
  asker: AskedBy
}

/** Copies a VM's disks one after the other while it is off: all of them, or none remains. */
export function createPointSaga(plane: Plane): SagaDefinition<PointParams> {
  return {
    kind: 'restorePoint.create',
    steps: [
      {
        name: 'accept request',
        do: async () => {},
        // One place that undoes everything, because a step that fails half way is not undone itself.
        undo: async ({ params }) => {
          for (const { keptId } of params.disks) await destroyStored(plane, params.asker, keptId)
        },
      },
      {
        name: 'copy disks at the host',
        do: async ({ params, signal }) => {
          for (const disk of params.disks) await copyStored(plane, { params: disk, signal })
        },
      },
    ],
    onFinished: async ({ params, status }) => {
      for (const disk of params.disks) await settle(plane, disk, status === 'Succeeded')
      await setPointState(plane, params, status === 'Succeeded' ? 'Succeeded' : 'Failed')
    },
  }
}

async function setPointState(plane: Plane, { id, createdAt }: PointParams, state: string): Promise<void> {
  await plane.resources.update<PointInternal>(id, (point) => {
    if (point.createdAt === createdAt && point.body.properties['provisioningState'] !== 'Deleting')
      point.body.properties['provisioningState'] = state
  })
}
