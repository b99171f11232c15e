import { Fields } from '../../../arm/fields.ts'
import { checkPreconditions } from '../../../arm/preconditions.ts'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../../../arm/request.ts'
import { route, type Route } from '../../../arm/router.ts'
import { groupPath, type Plane } from '../../../types/plane.ts'
import type { Json, Resource } from '../../../store/resources.ts'
import { membersOf, withReferences } from './balancer-members.ts'
import { balancerType, isWritten, partsOf, type Part, type PartKind } from './balancer-parts.ts'
import { alone, assertMembers } from '../../../types/members.ts'
import { partMembers } from './part-members.ts'
import { bodyWith, loadBalancers, noPart } from './load-balancers.ts'

const idOf = (request: ArmRequest): string => request.path.split('/').slice(0, 9).join('/')

/** Parts of a load balancer as child resources: all can be read; those that Azure lets be written separately can be written. */
export function partRoutes(plane: Plane, kind: PartKind): Route[] {
  const base = `${groupPath}/providers/${balancerType}/{name}/${kind}`
  const read = async (request: ArmRequest): Promise<Part[]> => {
    const balancer = await plane.resources.get(idOf(request))
    return (withReferences(balancer, await membersOf(plane))[kind] ?? []) as Part[]
  }
  const named = (parts: readonly Part[], request: ArmRequest): Part | undefined =>
    parts.find(({ name }) => name.toLowerCase() === param(request, 'part').toLowerCase())
  const routes: Route[] = [
    route.get(base, `${balancerType}/${kind}/read`, async (request) => ok({ value: await read(request) })),
    route.get(`${base}/{part}`, `${balancerType}/${kind}/read`, async (request) => {
      const found = named(await read(request), request)
      if (found === undefined) throw noPart(request.path)
      return ok(found)
    }),
  ]
  if (!isWritten(kind)) return routes
  return [
    ...routes,
    route.put(`${base}/{part}`, `${balancerType}/${kind}/write`, async (request) => {
      const { before, after } = await rewrite(plane, request, kind, (request.body ?? {}) as Json)
      const made = named(partsOf(after, kind), request)
      return { status: named(partsOf(before, kind), request) === undefined ? 201 : 200, body: made }
    }),
    route.delete(`${base}/{part}`, `${balancerType}/${kind}/delete`, async (request): Promise<ArmReply> => {
      const { before } = await rewrite(plane, request, kind, undefined)
      return { status: named(partsOf(before, kind), request) === undefined ? 204 : 200 }
    }),
  ]
}

const requireMembers = async (balancer: Resource, request: ArmRequest, kind: PartKind): Promise<void> => {
  const shown = partsOf(balancer, kind).find(({ name }) => name.toLowerCase() === param(request, 'part').toLowerCase())
  await assertMembers(alone(partMembers[kind]), request.body, shown && { shown: () => shown })
}

/** Writes the load balancer with one part added or removed, with all the checks of its own PUT. */
async function rewrite(
  plane: Plane,
  request: ArmRequest,
  kind: PartKind,
  part: Json | undefined,
): Promise<{ before: Resource; after: Resource }> {
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, request.path)
    const before = await plane.resources.getLocked(tx, idOf(request))
    checkPreconditions(request, before)
    if (part !== undefined) await requireMembers(before, request, kind)
    const body = bodyWith(before, kind, param(request, 'part'), part)
    const fields = new Fields(body)
    const written = {
      tx,
      id: before.id,
      location: before.location,
      fields,
      given: body['properties'] as Json,
      existing: before,
    }
    const properties = await loadBalancers.complete(plane, written)
    fields.assertSound()
    const after = await plane.resources.change(tx, before.id, (balancer) => {
      if (keyOf(balancer.id) === keyOf(before.id)) balancer.body.properties = properties
    })
    return { before, after: after ?? before }
  })
}
