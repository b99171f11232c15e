import { firmwareRemoval, firmwareSigning } from '@strongroom/contract/wires'
import { read } from '@strongroom/platform'
import { ok } from '../../arm/request.ts'
import { route, type Route } from '../../arm/router.ts'
import { subscriptionPath, type Plane } from '../../types/plane.ts'

const type = 'Strongroom.Machine/firmware'
const base = `${subscriptionPath}/providers/${type}`

/** The firmware that guests may be launched with: it belongs to the installation, and its signer decides for every VM in it. */
export function firmwareRoutes(plane: Plane): Route[] {
  return [
    route.get(base, `${type}/read`, async () => ok(await plane.host.firmware())),
    route.post(`${base}/sign`, `${type}/sign/action`, async ({ body }) => {
      const asked = read(firmwareSigning, body ?? {}, { code: 'InvalidParameter', subject: 'The firmware' })
      return ok(await plane.host.signFirmware(asked))
    }),
    route.post(`${base}/remove`, `${type}/sign/action`, async ({ body }) =>
      ok(
        await plane.host.removeFirmware(
          read(firmwareRemoval, body, { code: 'InvalidParameter', subject: 'The firmware' }),
        ),
      ),
    ),
  ]
}
