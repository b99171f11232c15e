import { ServiceError } from '@strongroom/platform'
import { Fields } from '../arm/fields.ts'
import { checkPreconditions } from '../arm/preconditions.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { signedIn, type Route } from '../arm/router.ts'
import { findRegion, regions, requireLocation } from '../arm/regions.ts'
import { groupPath, subscriptionPath, type Plane } from '../plane.ts'
import type { Resource, ResourceBody } from '../store/resources.ts'
import { defaultProviderView, providerProperties, providerType, providerView } from './provider-view.ts'
import { readProviderRequest, readSettings } from './provider-request.ts'

const base = `${groupPath}/providers/${providerType}`
const one = `${base}/{name}`
const namespace = `${subscriptionPath}/providers/Microsoft.Attestation`

/** What roles speak of. */
const operations = [
  { name: `${providerType}/read`, operation: 'Gets the status of the attestation service.' },
  { name: `${providerType}/write`, operation: 'Adds attestation service.' },
  { name: `${providerType}/delete`, operation: 'Removes attestation service.' },
  { name: `${providerType}/attestation/read`, operation: 'Reads policies and policy signers.' },
  { name: `${providerType}/attestation/write`, operation: 'Sets policies, adds policy signers.' },
  { name: `${providerType}/attestation/delete`, operation: 'Resets policies, removes policy signers.' },
].map(({ name, operation }) => ({
  name,
  display: {
    provider: 'Microsoft Azure Attestation',
    resource: 'attestationProviders',
    operation,
    description: operation,
  },
}))

/** Attestation providers as resources, and the providers that regions share. */
export function attestationRoutes(plane: Plane): Route[] {
  const list =
    (byGroup: boolean) =>
    async (request: ArmRequest): Promise<ArmReply> => {
      if (byGroup) await plane.resources.requireGroup(request.path)
      const found = await plane.resources.list({ type: providerType, ...(byGroup && { groupId: request.path }) })
      return ok({ value: found.map(providerView) })
    }
  return [
    { method: 'GET', path: base, action: `${providerType}/read`, handle: list(true) },
    { method: 'GET', path: `${namespace}/attestationProviders`, action: `${providerType}/read`, handle: list(false) },
    {
      method: 'GET',
      path: `${namespace}/defaultProviders`,
      action: 'Microsoft.Attestation/defaultProviders/read',
      handle: async () => ok({ value: regions.map(defaultProviderView) }),
    },
    {
      method: 'GET',
      path: `${namespace}/locations/{location}/defaultProvider`,
      action: 'Microsoft.Attestation/locations/defaultProvider/read',
      handle: async (request) => {
        const fields = new Fields({})
        const location = requireLocation(fields, param(request, 'location'))
        fields.assertSound()
        return ok(defaultProviderView(regions.find(({ name }) => name === location)!))
      },
    },
    {
      method: 'GET',
      path: one,
      action: `${providerType}/read`,
      handle: async (request) => ok(providerView(await plane.resources.get(request.path))),
    },
    { method: 'PUT', path: one, action: `${providerType}/write`, handle: async (request) => await put(plane, request) },
    {
      method: 'PATCH',
      path: one,
      action: `${providerType}/write`,
      handle: async (request) => await patch(plane, request),
    },
    {
      method: 'DELETE',
      path: one,
      action: `${providerType}/delete`,
      handle: async (request) => {
        await plane.resources.requireGroup(request.path)
        const resource = await plane.resources.find(request.path)
        checkPreconditions(request, resource)
        if (resource === undefined) return { status: 204 }
        await removeProvider(plane, resource)
        return { status: 200 }
      },
    },
    // There are no private endpoints: clients that look for them find none.
    ...['privateEndpointConnections', 'privateLinkResources'].map((kind): Route => {
      return {
        method: 'GET',
        path: `${one}/${kind}`,
        action: `${providerType}/${kind}/read`,
        handle: async (request) => {
          await plane.resources.get(request.path.slice(0, -kind.length - 1))
          return ok({ value: [] })
        },
      }
    }),
    {
      method: 'GET',
      path: '/providers/Microsoft.Attestation/operations',
      action: signedIn,
      handle: async () => ok({ value: operations }),
    },
    {
      // Beyond Azure's wire, which leaves rotation to its service.
      method: 'POST',
      path: `${one}/rotateKey`,
      action: `${providerType}/write`,
      handle: async (request) => {
        const resource = await plane.resources.get(request.path.replace(/\/rotateKey$/i, ''))
        return ok({ kid: await plane.attestation.rotateKey(codeOf(resource.location), resource.name) })
      },
    },
  ]
}

/** The provider first, the resource after it: who is cut off between the two sends the same request again. */
async function put(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const group = await plane.resources.requireGroup(request.path)
  const { location, tags, certificates } = readProviderRequest(request.body, group.location)
  const existing = await plane.resources.find(request.path)
  checkPreconditions(request, existing)
  if (existing !== undefined) {
    assertSame(existing, location, certificates?.length ?? 0)
    return ok(providerView(await setTags(plane, existing, tags)))
  }
  const record = await plane.attestation.create(codeOf(location), param(request, 'name'), {
    resourceId: request.path,
    policySigningCertificates: certificates ?? [],
  })
  const body: ResourceBody = { properties: providerProperties(record), ...(tags !== undefined && { tags }) }
  const resource = await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, request.path)
    const raced = await plane.resources.find(request.path, tx)
    return raced ?? (await plane.resources.insert(tx, { id: request.path, location, body }))
  })
  return { status: 201, body: providerView(resource) }
}

async function patch(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const tags = fields.textMap('tags')
  readSettings(fields.object('properties'))
  fields.assertSound()
  const existing = await plane.resources.get(request.path)
  checkPreconditions(request, existing)
  return ok(providerView(await setTags(plane, existing, tags)))
}

async function setTags(plane: Plane, resource: Resource, tags: Record<string, string> | undefined): Promise<Resource> {
  if (tags === undefined) return resource
  const changed = await plane.resources.transaction(
    async (tx) => await plane.resources.change(tx, resource.id, (current) => void (current.body.tags = tags)),
  )
  return changed ?? resource
}

/** The attestation service asks for rights at the id that it knows: it is told of another. */
export async function moveProvider(plane: Plane, resource: Resource, from: string): Promise<void> {
  await plane.attestation.move(codeOf(resource.location), resource.name, { from, to: resource.id })
}

/** With the resource go the provider's policies and keys: nothing that it signed can be verified any more. */
export async function removeProvider(plane: Plane, resource: Resource): Promise<void> {
  await plane.attestation.remove(codeOf(resource.location), resource.name)
  await plane.resources.transaction(async (tx) => await plane.resources.remove(tx, resource.id))
}

/** Region and trust model are fixed: signers are changed at the provider itself, by who may sign. */
function assertSame(existing: Resource, location: string, certificates: number): void {
  if (existing.location !== location)
    throw new ServiceError({
      code: 'InvalidResourceLocation',
      status: 409,
      message: `The resource '${existing.name}' already exists in location '${existing.location}'. A resource with the same name cannot be created in location '${location}'.`,
      target: 'location',
      expected: existing.location,
      found: location,
    })
  if (certificates === 0) return
  throw new ServiceError({
    code: 'PropertyChangeNotAllowed',
    status: 409,
    message: 'Policy signing certificates are given when a provider is made.',
    target: 'properties.policySigningCertificates',
    expected: 'no policySigningCertificates for a provider that exists',
    found: `${certificates} certificates`,
    remedy:
      'Add and remove signers at the provider: POST {attestUri}/certificates:add and :remove, signed by a present one.',
  })
}

function codeOf(location: string): string {
  const region = findRegion(location)
  if (region === undefined) throw new TypeError(`no region ${location}`)
  return region.code
}
