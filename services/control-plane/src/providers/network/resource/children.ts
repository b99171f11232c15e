import { ServiceError } from '@strongroom/platform'
import type { Link } from '../../../arm/access.ts'
import { Fields } from '../../../arm/fields.ts'
import { checkPreconditions } from '../../../arm/preconditions.ts'
import { ok, param, type ArmRequest } from '../../../arm/request.ts'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import { route, type Route } from '../../../arm/router.ts'
import { groupPath, type Plane } from '../../../types/plane.ts'
import type { Db, Resource } from '../../../store/resources.ts'
import { alone, assertMembers, type Members } from '../../../types/members.ts'
import type { ResourceType } from '../../../types/resource-type.ts'

/** Child resources stored as a list in their parent's row. */
export interface Children<Child extends { id: string; name: string }> {
  /** Type of the parent, for example Microsoft.Network/virtualNetworks. */
  parent: string
  /** The property that has the list, and the last part of the type, for example subnets. */
  kind: string
  members: Members
  of(parent: Resource): Child[]
  /** @param before the existing one of this name @returns the child, and the list with it @throws ServiceError with every problem */
  write(parent: Resource, fields: Fields, before: Child | undefined): { made: Child; all: Child[] }
  /** Whether a PUT checks the parent's ETag. */
  conditional?: true
  /** What a request refers to elsewhere. */
  links?(fields: Fields): Link[]
  /** Completes what it refers to. Problems are added to `fields`. */
  check?(plane: Plane, tx: Db, fields: Fields, made: Child): Promise<void>
  assertUnused?(tx: Db, child: Child): Promise<void>
}

export const childType = <Child extends { id: string; name: string }>(c: Children<Child>): ResourceType => ({
  spelling: `${c.parent}/${c.kind}`,
  inParent: true,
  members: alone(c.members),
  routes: (plane) => routes(plane, c),
})

function routes<Child extends { id: string; name: string }>(plane: Plane, c: Children<Child>): Route[] {
  const base = `${groupPath}/providers/${c.parent}/{name}/${c.kind}`
  const one = `${base}/{child}`
  const type = `${c.parent}/${c.kind}`
  const parentId = (request: ArmRequest): string => request.path.split('/').slice(0, 9).join('/')
  const pick = (parent: Resource, request: ArmRequest): Child | undefined =>
    c.of(parent).find(({ name }) => name.toLowerCase() === param(request, 'child').toLowerCase())
  return [
    route.get(base, `${type}/read`, async (request) =>
      ok({ value: c.of(await plane.resources.get(parentId(request))) }),
    ),
    route.get(one, `${type}/read`, async (request) => {
      const found = pick(await plane.resources.get(parentId(request)), request)
      if (found !== undefined) return ok(found)
      throw new ServiceError({ code: 'NotFound', message: `Resource ${request.path} not found.` })
    }),
    route.put(one, `${type}/write`, async (request) => {
      const fields = new Fields({ ...(request.body as object | undefined), name: param(request, 'child') })
      await plane.access.requireLinked(request.caller, request.path, c.links?.(fields) ?? [])
      return await plane.resources.transaction(async (tx) => {
        const parent = await plane.resources.getLocked(tx, parentId(request))
        if (c.conditional === true) checkPreconditions(request, parent)
        const before = pick(parent, request)
        await assertMembers(alone(c.members), request.body, before && { shown: () => before })
        const { made, all } = c.write(parent, fields, before)
        await c.check?.(plane, tx, fields, made)
        fields.assertSound()
        await plane.resources.change(tx, parent.id, ({ body }) => void (body.properties[c.kind] = all))
        return { status: before === undefined ? 201 : 200, body: made }
      })
    }),
    route.delete(
      one,
      `${type}/delete`,
      async (request) =>
        await plane.resources.transaction(async (tx) => {
          const parent = await plane.resources.getLocked(tx, parentId(request))
          const found = pick(parent, request)
          if (found === undefined) return { status: 204 }
          await c.assertUnused?.(tx, found)
          const left = c.of(parent).filter(({ id }) => keyOf(id) !== keyOf(found.id))
          await plane.resources.change(tx, parent.id, ({ body }) => void (body.properties[c.kind] = left))
          return { status: 200 }
        }),
    ),
  ]
}
