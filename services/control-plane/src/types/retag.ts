import { Fields } from '../arm/fields.ts'
import type { ArmRequest } from '../arm/request.ts'
import type { Plane } from './plane.ts'
import type { Resource } from '../store/resources.ts'

/** A PATCH that changes only tags; without tags nothing is written. */
export async function retag<Internal>(
  plane: Plane,
  request: ArmRequest,
  existing: Resource<Internal>,
): Promise<Resource<Internal>> {
  const fields = new Fields(request.body)
  const tags = fields.textMap('tags')
  fields.assertSound()
  if (tags === undefined) return existing
  const changed = await plane.resources.update<Internal>(existing.id, (current) => void (current.body.tags = tags))
  return changed ?? existing
}
