import type { Resource } from '../store/resources.ts'

/** The parts of a resource that clients see. */
export type Shown = Omit<Resource, 'internal'>

/** A resource as clients see it. */
export function resourceView(resource: Shown, type: string): Record<string, unknown> {
  const { body } = resource
  return {
    name: resource.name,
    id: resource.id,
    type,
    ...(resource.location !== '' && { location: resource.location }),
    ...(body.tags !== undefined && { tags: body.tags }),
    ...(body.sku !== undefined && { sku: body.sku }),
    ...(body.zones !== undefined && { zones: body.zones }),
    ...(body.identity !== undefined && { identity: body.identity }),
    etag: `W/"${resource.etag}"`,
    properties: body.properties,
  }
}
