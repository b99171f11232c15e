import { ServiceError } from '@strongroom/platform'
import { Fields } from '../../arm/fields.ts'
import { checkPreconditions } from '../../arm/preconditions.ts'
import { ok, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import { resourceView } from '../../arm/resource-view.ts'
import { listRoutes } from '../../arm/read-routes.ts'
import type { Route } from '../../arm/router.ts'
import { groupPath, subscriptionPath, type Plane } from '../../plane.ts'
import type { Json, Resource } from '../../store/resources.ts'
import { galleryType, invalidParameter } from '../kept/kept.ts'
import { requireLocation } from '../../arm/regions.ts'

const view = (gallery: Resource): Record<string, unknown> => resourceView(gallery, galleryType)
const nameForm = /^[A-Za-z0-9]([A-Za-z0-9._]{0,78}[A-Za-z0-9])?$/

/** Galleries. What is in them stays within the subscription: nothing is shared with communities or tenants. */
export function galleryRoutes(plane: Plane): Route[] {
  const base = `${groupPath}/providers/${galleryType}`
  const one = `${base}/{gallery}`
  const write = async (request: ArmRequest): Promise<ArmReply> => {
    const group = await plane.resources.requireGroup(request.path)
    const existing = await plane.resources.find(request.path)
    checkPreconditions(request, existing)
    if (existing === undefined && request.method === 'PATCH') await plane.resources.get(request.path)
    return await put(plane, request, group.location, existing)
  }
  const locations = `${subscriptionPath}/providers/Microsoft.Compute/locations/{location}`
  const elsewhere = (path: string): Route => ({
    method: 'GET',
    path,
    action: `${galleryType}/read`,
    handle: async () => {
      throw notShared()
    },
  })
  return [
    ...listRoutes(plane, galleryType, view),
    {
      method: 'GET',
      path: one,
      action: `${galleryType}/read`,
      handle: async (request) => ok(view(await plane.resources.get(request.path))),
    },
    { method: 'PUT', path: one, action: `${galleryType}/write`, handle: write },
    { method: 'PATCH', path: one, action: `${galleryType}/write`, handle: write },
    {
      method: 'DELETE',
      path: one,
      action: `${galleryType}/delete`,
      handle: async (request) => await removeEmpty(plane, request),
    },
    {
      method: 'POST',
      path: `${one}/share`,
      action: `${galleryType}/share/action`,
      handle: async () => {
        throw notShared()
      },
    },
    elsewhere(`${locations}/sharedGalleries`),
    elsewhere(`${locations}/sharedGalleries/{gallery}`),
    elsewhere(`${locations}/sharedGalleries/{gallery}/images`),
    elsewhere(`${locations}/communityGalleries`),
    elsewhere(`${locations}/communityGalleries/{gallery}`),
    elsewhere(`${locations}/communityGalleries/{gallery}/images`),
  ]
}

export const notShared = (): ServiceError =>
  new ServiceError({
    code: 'NotOffered',
    status: 400,
    message:
      'Galleries are not shared with communities or other tenants here: an installation has one subscription. Give roles at the gallery instead.',
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
  const name = request.params['gallery'] ?? ''
  const location = requireLocation(fields, fields.text('location') ?? existing?.location ?? groupLocation)
  const tags = fields.textMap('tags') ?? existing?.body.tags
  if (!nameForm.test(name))
    invalidParameter(fields, 'name', `The gallery name '${name.slice(0, 90)}' is invalid.`, {
      expected: '1 to 80 letters, digits, dots and underscores, beginning and ending with a letter or digit',
    })
  const permissions = properties.object('sharingProfile').text('permissions')
  if (permissions !== undefined && permissions.toLowerCase() !== 'private') throw notShared()
  if (existing !== undefined && existing.location !== location)
    fields.problem({
      code: 'PropertyChangeNotAllowed',
      status: 409,
      message: "Changing property 'location' is not allowed.",
      target: 'location',
      expected: existing.location,
      found: location,
    })
  fields.assertSound()
  const description = properties.text('description') ?? existing?.body.properties['description']
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

/** Deletes a gallery or an image definition that has nothing in it any more. */
export async function removeEmpty(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  await plane.resources.requireGroup(request.path)
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, request.path, { evenDeleting: true })
    const found = await plane.resources.find(request.path, tx)
    checkPreconditions(request, found)
    if (found === undefined) return { status: 204 }
    const inside = (await plane.resources.list({ groupId: request.path }, tx)).filter(({ key }) =>
      key.startsWith(`${found.key}/`),
    )
    if (inside.length > 0) {
      throw new ServiceError({
        code: 'CannotDeleteResource',
        status: 409,
        message: `Can not delete resource before nested resources are deleted.`,
        target: found.id,
        expected: 'nothing in it',
        found: inside.map(({ id }) => id).join(', ').slice(0, 400), // prettier-ignore
        remedy: 'Delete what is in it first.',
      })
    }
    await plane.resources.remove(tx, found.id)
    return { status: 200 }
  })
}
