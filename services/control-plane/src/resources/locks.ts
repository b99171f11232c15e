import { ServiceError } from '@strongroom/platform'
import { Fields } from '../arm/fields.ts'
import type { Lock } from '../arm/locks.ts'
import { covers } from '../arm/access.ts'
import { keyOf } from '../arm/ids/resource-id.ts'
import { ok, param, type ArmRequest } from '../arm/request.ts'
import { route, type Route } from '../arm/router.ts'
import type { Plane } from '../types/plane.ts'
import { requireScope, scopeOf, scopePaths } from './scopes.ts'

const type = 'Microsoft.Authorization/locks'
const nameForm = /^[A-Za-z0-9_().-]{1,90}$/

const view = (lock: Lock): Record<string, unknown> => ({
  id: `${lock.display_scope}/providers/${type}/${lock.display_name}`,
  name: lock.display_name,
  type,
  properties: { level: lock.level, ...(lock.notes !== '' && { notes: lock.notes }) },
})

/** Management locks at every scope. */
export function lockRoutes(plane: Plane): Route[] {
  const at = (request: ArmRequest): string => scopeOf(request.path, 'Microsoft.Authorization')
  return scopePaths.flatMap((scope): Route[] => {
    const base = `${scope}/providers/${type}`
    const one = `${base}/{lock}`
    return [
      route.get(base, `${type}/read`, async (request) => {
        const here = keyOf(request.path.slice(0, -`/providers/${type}`.length))
        // Locks that apply here, and those below.
        const all = (await plane.locks.list()).filter((lock) => covers(lock.scope, here) || covers(here, lock.scope))
        return ok({ value: all.map(view) })
      }),
      route.get(one, `${type}/read`, async (request) => {
        const lock = await plane.locks.find(at(request), param(request, 'lock'))
        if (lock !== undefined) return ok(view(lock))
        throw new ServiceError({
          code: 'LockNotFound',
          message: `The lock '${param(request, 'lock').slice(0, 90)}' could not be found.`,
        })
      }),
      route.put(one, `${type}/write`, async (request) => {
        const name = param(request, 'lock')
        const fields = new Fields(request.body)
        const properties = fields.object('properties')
        fields.only('id', 'name', 'type', 'properties', 'systemData')
        properties.only('level', 'notes')
        const level = properties.oneOf('level', ['CanNotDelete', 'ReadOnly'])
        const notes = properties.text('notes') ?? ''
        const invalid = (target: string, expected: string): void =>
          fields.problem({
            code: 'InvalidLock',
            message: `The lock's '${target}' is not valid.`,
            target,
            expected,
          })
        if (level === undefined && fields.problems.length === 0) invalid('properties.level', 'CanNotDelete or ReadOnly')
        if (notes.length > 512) invalid('properties.notes', 'at most 512 characters')
        if (!nameForm.test(name)) invalid('name', '1 to 90 letters, digits and _ . - ( )')
        fields.assertSound()
        await requireScope(plane, at(request))
        const { lock, created } = await plane.locks.put({
          scope: at(request),
          name,
          level: level ?? 'ReadOnly',
          notes,
        })
        return { status: created ? 201 : 200, body: view(lock) }
      }),
      route.delete(one, `${type}/delete`, async (request) => {
        const lock = await plane.locks.find(at(request), param(request, 'lock'))
        if (lock === undefined) return { status: 204 }
        await plane.locks.remove(lock.scope, lock.name)
        return { status: 200 }
      }),
    ]
  })
}
