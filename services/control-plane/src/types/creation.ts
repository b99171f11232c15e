import type { ArmRequest } from '../arm/request.ts'
import type { Plane } from '../plane.ts'
import type { Db } from '../store/resources.ts'
import { beingMade } from './conflicts.ts'

/**
 * Makes what a PUT asks for, in one transaction and while its group stays.
 * @param what for example vault
 * @param insert writes the resource, and what goes with it
 * @throws ServiceError Conflict where another request was quicker, ResourceGroupNotFound
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
    if (found !== undefined) throw beingMade(what, found.name)
    return await insert(tx)
  })
}
