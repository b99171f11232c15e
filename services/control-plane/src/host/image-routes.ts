import type { ImageMeasurementsDocument } from '@strongroom/contract'
import { imageImport } from '@strongroom/contract/wires'
import { read, ServiceError } from '@strongroom/platform'
import { ok } from '../arm/request.ts'
import type { Route } from '../arm/router.ts'
import { subscriptionPath, type Plane } from '../plane.ts'

const type = 'Strongroom.Machine/images'
const base = `${subscriptionPath}/providers/${type}`

/** By id, or the newest of a name. */
async function measurementsOf(plane: Plane, named: string): Promise<ImageMeasurementsDocument> {
  const all = (await plane.host.images()).toSorted((a, b) => b.builtAt.localeCompare(a.builtAt))
  const image = all.find(({ id }) => id === named) ?? all.find(({ name }) => name === named)
  const found = image && (await plane.host.imageMeasurements(image.id))
  if (found !== undefined) return found
  throw new ServiceError({
    code: 'ImageNotFound',
    status: 404,
    message: 'There is no such image.',
    target: 'image',
    expected: 'an image of `strongroom image list`',
    found: named.slice(0, 120),
    remedy: 'Build or import it: strongroom image build',
  })
}

/** Images of the host: they belong to the installation, not to a group. */
export function imageRoutes(plane: Plane): Route[] {
  return [
    {
      method: 'GET',
      path: base,
      action: `${type}/read`,
      handle: async () => ok({ value: await plane.host.images() }),
    },
    {
      method: 'GET',
      path: `${base}/{image}/measurements`,
      action: `${type}/read`,
      handle: async ({ params }) => ok(await measurementsOf(plane, params['image'] ?? '')),
    },
    {
      method: 'GET',
      path: `${base}/build`,
      action: `${type}/read`,
      handle: async ({ query }) => ok(await plane.host.imageBuild(query['variant'])),
    },
    {
      method: 'POST',
      path: `${base}/build`,
      action: `${type}/build/action`,
      handle: async ({ query }) => ({ status: 202, body: await plane.host.buildImage(query['variant']) }),
    },
    {
      method: 'POST',
      path: `${base}/import`,
      action: `${type}/import/action`,
      handle: async (request) => {
        const file = read(imageImport, request.body, { code: 'InvalidParameter', subject: 'The disk file' })
        return ok(await plane.host.importImage(file))
      },
    },
  ]
}
