import type { ErrorDetail, ErrorCode } from '@strongroom/contract'
import { keyOf, parseResourceId } from '../arm/ids/resource-id.ts'
import type { Resource } from '../store/resources.ts'
import type { ResourceTypes } from '../types/registry.ts'

/** A resource's id in another group. */
export function idInGroup(id: string, groupId: string): string {
  return [...groupId.split('/').slice(0, 5), ...id.split('/').slice(5)].join('/')
}

/**
 * Why a resource cannot be moved, or undefined.
 * @param o taken: a resource of the target group has its type and name; holder: the virtual machine that the interface
 * is attached to; busy: which of the two has an operation in progress
 */
export function moveProblem(
  types: ResourceTypes,
  resource: Resource,
  o: { taken: boolean; holder: Resource | undefined; busy: Resource | undefined },
): ErrorDetail | undefined {
  const spelled = parseResourceId(resource.id)?.type ?? resource.type
  const problem = (code: ErrorCode, message: string, more: NonNullable<ErrorDetail['innererror']>): ErrorDetail => ({
    code,
    message,
    target: resource.id,
    innererror: more,
  })
  // Azure's table of movable types has No for the other types here.
  const type = types.of(resource.type)
  if (type?.movable !== true)
    return problem('ResourceMoveNotSupported', `Resource move is not supported for resource types '${spelled}'.`, {
      expected: types.all.flatMap(({ movable, spelling }) => (movable === true ? [spelling] : [])).join(', '),
      found: spelled,
      remedy: 'Create it in the other group.',
    })
  if (o.busy !== undefined)
    return problem('ResourceNotReadyForMove', `An operation on '${o.busy.id}' is in progress.`, {
      expected: 'no operation in progress',
      found: 'one in progress',
      remedy: 'Wait until it ends.',
    })
  for (const each of [resource, ...(o.holder === undefined ? [] : [o.holder])]) {
    const state = each.body.properties['provisioningState'] ?? 'Succeeded'
    if (typeof state !== 'string' || state === 'Succeeded') continue
    return problem('ResourceNotReadyForMove', `'${each.id}' is in the state ${state}.`, {
      expected: 'Succeeded',
      found: state,
      remedy: 'Wait until its operation ends.',
    })
  }
  const staying = type.stays?.(resource)
  if (staying !== undefined) {
    const { message, ...more } = staying
    return problem('ResourceMoveNotSupported', message, more)
  }
  if (o.taken)
    return problem('ResourceMoveConflict', `The target group has a resource '${resource.name}' of this type.`, {
      expected: 'a name that is unused in the target group',
      found: resource.name,
      remedy: 'Delete or rename the other one.',
    })
  return undefined
}

/**
 * Rewrites every id in a JSON value that names a moved resource or a nested one, keeping its case.
 * @param moves the old ids' keys, and the new ids
 */
export function withMovedIds(value: unknown, moves: ReadonlyMap<string, string>): unknown {
  if (typeof value === 'string') return movedId(value, moves)
  if (Array.isArray(value)) return value.map((each) => withMovedIds(each, moves))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [movedId(name, moves), withMovedIds(member, moves)]),
  )
}

/** The id with its new group; any other text unchanged. */
export function movedId(text: string, moves: ReadonlyMap<string, string>): string {
  if (!/^\/subscriptions\//i.test(text)) return text
  const parts = text.split('/')
  // A resource's own id has nine parts; a nested one's has more.
  const moved = moves.get(keyOf(parts.slice(0, 9).join('/')))
  if (moved === undefined) return text
  const whole = [moved, ...parts.slice(9)].join('/')
  return text === text.toLowerCase() ? whole.toLowerCase() : whole
}
