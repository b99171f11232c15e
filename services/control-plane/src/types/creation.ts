import { Fields } from '../arm/fields.ts'
import { checkPreconditions } from '../arm/preconditions.ts'
import { requireLocation } from '../arm/regions.ts'
import type { ArmRequest } from '../arm/request.ts'
import type { Plane } from './plane.ts'
import type { Db, NewResource, Resource } from '../store/resources.ts'
import { beingMade } from './conflicts.ts'

/** What the PUT of a new resource says whatever its type is; problems of form are in its fields. */
export interface Put {
  fields: Fields
  properties: Fields
  location: string
  tags: Record<string, string> | undefined
}

/** @param home the region that it is in where the request names none */
export function readPut(request: ArmRequest, home: string): Put {
  const fields = new Fields(request.body)
  const properties = fields.object('properties')
  const location = requireLocation(fields, fields.text('location') ?? home)
  return { fields, properties, location, tags: fields.textMap('tags') }
}

/** Makes a resource that is its row and nothing else. @throws ServiceError as `makeResource` does */
export const insertResource = async (
  plane: Plane,
  request: ArmRequest,
  what: string,
  row: Omit<NewResource<Resource['internal']>, 'id'>,
): Promise<Resource> =>
  await makeResource(plane, request, what, async (tx) => await plane.resources.insert(tx, { id: request.path, ...row }))

/**
 * Creates what a PUT requests, in one transaction with its group locked.
 * @param what for example vault
 * @param insert writes the resource, and what belongs to it
 * @throws ServiceError Conflict, or PreconditionFailed, if another request was quicker; ResourceGroupNotFound
 */
export async function makeResource<Made>(
  plane: Plane,
  request: ArmRequest,
  what: string,
  insert: (tx: Db) => Promise<Made>,
): Promise<Made> {
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, request.path)
    const found = await plane.resources.find(request.path, tx)
    if (found !== undefined) {
      checkPreconditions(request, found)
      throw beingMade(what, found.name)
    }
    return await insert(tx)
  })
}
