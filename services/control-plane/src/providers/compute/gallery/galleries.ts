import { ServiceError } from '@strongroom/platform'
import { Fields } from '../../../arm/fields.ts'
import type { ArmReply, ArmRequest } from '../../../arm/request.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import { route } from '../../../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from '../../../types/plane.ts'
import type { Json, Resource } from '../../../store/resources.ts'
import type { ResourceType } from '../../../types/resource-type.ts'
import { galleryType } from '../disk/stored/stored-disk.ts'
import { requireLocation } from '../../../arm/regions.ts'
import { galleryMembers } from './gallery-members.ts'

const view = (gallery: Resource): Record<string, unknown> => resourceView(gallery, galleryType)
const compute = `${subscriptionPath}/providers/Microsoft.Compute`
const nameForm = /^[A-Za-z0-9]([A-Za-z0-9._]{0,78}[A-Za-z0-9])?$/

/** Galleries. Their content stays within the subscription: nothing is shared with communities or tenants. */
export const galleries: ResourceType<Json> = {
  spelling: galleryType,
  members: galleryMembers,
  emptiedFirst: true,
  create: async (plane, request, group) => await put(plane, request, group.location, undefined),
  change: async (plane, request, existing) => await put(plane, request, existing.location, existing),
  routes: () => [
    route.post(`${groupPath}/providers/${galleryType}/{name}/share`, `${galleryType}/share/action`, refuse),
    ...['sharedGalleries', 'communityGalleries'].flatMap((kind) =>
      ['', '/{gallery}', '/{gallery}/images'].map((rest) =>
        route.get(`${compute}/locations/{location}/${kind}${rest}`, `${galleryType}/read`, refuse),
      ),
    ),
  ],
}

const refuse = async (): Promise<never> => {
  throw notShared()
}

export const notShared = (): ServiceError =>
  new ServiceError({
    code: 'NotOffered',
    status: 400,
    message:
      'Galleries cannot be shared with communities or other tenants: an installation has one subscription. Assign ' +
      'roles at the gallery instead.',
    target: 'properties.sharingProfile',
    expected: 'a gallery of this subscription',
    remedy: 'az role assignment create --role Reader --scope GALLERY_ID --assignee-object-id …',
  })

async function put(
  plane: Plane,
  request: ArmRequest,
  groupLocation: string,
  existing: Resource | undefined,
): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const properties = fields.object('properties')
  const name = request.params['name'] ?? ''
  const location = requireLocation(fields, fields.text('location') ?? existing?.location ?? groupLocation)
  const tags = fields.textMap('tags') ?? existing?.body.tags
  if (!nameForm.test(name))
    fields.invalid('name', `The gallery name '${name.slice(0, 90)}' is invalid.`, {
      expected: '1 to 80 letters, digits, dots and underscores, beginning and ending with a letter or digit',
    })
  const description = properties.text('description') ?? existing?.body.properties['description']
  const sharing = properties.object('sharingProfile')
  if ((sharing.text('permissions') ?? 'Private').toLowerCase() !== 'private' || sharing.has('communityGalleryInfo'))
    throw notShared()
  if (existing !== undefined && existing.location !== location)
    fields.unchangeable('location', { expected: existing.location, found: location })
  fields.assertSound()
  const made: Json = {
    ...(description !== undefined && { description }),
    identifier: { uniqueName: `${plane.subscriptionId}-${name.toUpperCase()}` },
    sharingProfile: { permissions: 'Private' },
    provisioningState: 'Succeeded',
  }
  const body = { properties: made, ...(tags !== undefined && { tags }) }
  const written = await writeResource(plane, request.path, { location, body })
  return { status: written.created ? 201 : 200, body: view(written.resource) }
}

/** Inserts the resource, or replaces its body. */
export async function writeResource(
  plane: Plane,
  id: string,
  o: { location: string; body: Resource['body']; internal?: Json },
): Promise<{ resource: Resource; created: boolean }> {
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, id)
    const changed = await plane.resources.change(tx, id, (current) => void (current.body = o.body))
    if (changed !== undefined) return { resource: changed, created: false }
    return { resource: await plane.resources.insert(tx, { id, ...o }), created: true }
  })
}
