import type { ServiceError } from '@strongroom/platform'
import { onBehalfOf } from '../../arm/on-behalf-of.ts'
import { Fields } from '../../arm/fields.ts'
import { locationKey } from '../../arm/regions.ts'
import { ok, param, type ArmRequest } from '../../arm/request.ts'
import { route, type Route } from '../../arm/router.ts'
import { subscriptionPath, type Plane } from '../../types/plane.ts'
import type { Json } from '../../store/resources.ts'
import type { SoftDeleted } from '../../host/vault-client.ts'

interface Deleted {
  name: string
  location: string
  resourceId: string
  enablePurgeProtection: boolean
}

/** Names of a soft-deleted kind, as Azure spells them. */
export interface DeletedKind<D extends Deleted> {
  /** In paths and types, for example deletedVaults. */
  spelling: string
  /** In actions, if different. */
  action: string
  /** Path and action of the name-availability check, and the type it accepts. */
  nameCheck: { spelling: string; type?: string }
  store(plane: Plane): Pick<SoftDeleted<never, unknown, D>, 'availability' | 'listDeleted' | 'findDeleted' | 'purge'>
  /** Properties as clients see them. */
  view(deleted: D): Json
  /** @param found one of the name in another location */
  notFound(name: string, found: D | undefined): ServiceError
  purged: 200 | 202
}

const namespace = 'Microsoft.KeyVault'
const provider = `${subscriptionPath}/providers/${namespace}`

/** Routes for what only the key service still knows. */
export function deletedRoutes<D extends Deleted>(plane: Plane, kind: DeletedKind<D>): Route[] {
  const { spelling, action, nameCheck } = kind
  const one = `${provider}/locations/{location}/${spelling}/{name}`
  const store = (): ReturnType<typeof kind.store> => kind.store(plane)
  const find = async (request: ArmRequest): Promise<D> => {
    const name = param(request, 'name')
    const found = await store().findDeleted(name)
    if (found !== undefined && found.location === locationKey(param(request, 'location'))) return found
    throw kind.notFound(name, found)
  }
  const view = (deleted: D): Json => ({
    id: `/subscriptions/${plane.subscriptionId}/providers/${namespace}/locations/${deleted.location}/${spelling}/${deleted.name}`,
    name: deleted.name,
    type: `${namespace}/${spelling}`,
    properties: kind.view(deleted),
  })
  return [
    route.post(`${provider}/${nameCheck.spelling}`, `${namespace}/${nameCheck.spelling}/read`, async (request) => {
      const fields = new Fields(request.body)
      const name = fields.text('name') ?? ''
      if (nameCheck.type !== undefined) fields.oneOf('type', [nameCheck.type])
      fields.assertSound()
      return ok(await store().availability(name))
    }),
    route.get(`${provider}/${spelling}`, `${namespace}/${action}/read`, async () =>
      ok({ value: (await store().listDeleted()).map(view) }),
    ),
    route.get(one, `${namespace}/locations/${action}/read`, async (request) => ok(view(await find(request)))),
    route.post(`${one}/purge`, `${namespace}/locations/${action}/purge/action`, async (request) => {
      await store().purge(onBehalfOf(request), (await find(request)).name)
      return { status: kind.purged }
    }),
  ]
}

/** For the test API: purges all that may be purged. */
export async function purgeDeleted<D extends Deleted>(plane: Plane, kind: DeletedKind<D>): Promise<void> {
  const store = kind.store(plane)
  for (const { name, enablePurgeProtection } of await store.listDeleted())
    if (!enablePurgeProtection) await store.purge(undefined, name)
}
