import { imageImport, imageUpdateRequest, signedVariableRequest } from '@strongroom/contract/wires'
import { read, ServiceError } from '@strongroom/platform'
import { ok } from '../../arm/request.ts'
import { route, type Route } from '../../arm/router.ts'
import { subscriptionPath, type Plane } from '../../types/plane.ts'

const type = 'Strongroom.Machine/images'
const base = `${subscriptionPath}/providers/${type}`

/** By id, or the newest with a name. */
async function ofImage<T>(plane: Plane, named: string, of: (id: string) => Promise<T | undefined>): Promise<T> {
  const all = (await plane.host.images()).toSorted((a, b) => b.builtAt.localeCompare(a.builtAt))
  const image = all.find(({ id }) => id === named) ?? all.find(({ name }) => name === named)
  const found = image && (await of(image.id))
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
    route.get(base, `${type}/read`, async () => ok({ value: await plane.host.images() })),
    route.get(`${base}/{image}/measurements`, `${type}/read`, async ({ params }) =>
      ok(await ofImage(plane, params['image'] ?? '', async (id) => await plane.host.imageMeasurements(id))),
    ),
    route.get(`${base}/build`, `${type}/read`, async ({ query }) => ok(await plane.host.imageBuild(query['variant']))),
    route.post(`${base}/build`, `${type}/build/action`, async ({ query }) => ({
      status: 202,
      body: await plane.host.buildImage(query['variant']),
    })),
    route.post(`${base}/import`, `${type}/import/action`, async (request) => {
      const file = read(imageImport, request.body, { code: 'InvalidParameter', subject: 'The disk file' })
      return ok(await plane.host.importImage(file))
    }),
    route.post(`${base}/{image}/update`, `${type}/update/action`, async ({ params, body }) => {
      const asked = read(imageUpdateRequest, body, { code: 'InvalidParameter', subject: 'The update' })
      return ok(await ofImage(plane, params['image'] ?? '', async (id) => await plane.host.updateImage(id, asked)))
    }),
    route.post(`${base}/{image}/signVariable`, `${type}/signVariable/action`, async ({ params, body }) => {
      const asked = read(signedVariableRequest, body, { code: 'InvalidParameter', subject: 'The write' })
      return ok(await ofImage(plane, params['image'] ?? '', async (id) => await plane.host.signVariable(id, asked)))
    }),
  ]
}
