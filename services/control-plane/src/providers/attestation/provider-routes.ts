import { ServiceError } from '@strongroom/platform'
import { Fields } from '../../arm/fields.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import { route, signedIn, type Route } from '../../arm/router.ts'
import { findRegion, regions, requireLocation } from '../../arm/regions.ts'
import { groupPath, subscriptionPath, type Plane } from '../../types/plane.ts'
import type { Resource, ResourceBody } from '../../store/resources.ts'
import { assertSameLocation } from '../../types/conflicts.ts'
import { members, only } from '../../types/members.ts'
import type { ResourceType } from '../../types/resource-type.ts'
import { retag } from '../../types/retag.ts'
import { defaultProviderView, providerProperties, providerType, providerView } from './provider-view.ts'
import { readProviderRequest, readSettings } from './provider-request.ts'

const one = `${groupPath}/providers/${providerType}/{name}`
const namespace = `${subscriptionPath}/providers/Microsoft.Attestation`

/** Operations that roles refer to. */
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

/** Attestation providers as resources. */
export const attestationProviders: ResourceType = {
  spelling: providerType,
  members: members(
    { location: 'honoured' },
    {
      publicNetworkAccess: 'honoured',
      tpmAttestationAuthentication: 'honoured',
      policySigningCertificates: { keys: { kty: 'fixed', x5c: 'fixed', use: only('sig') } },
      trustModel: 'shown',
      status: 'shown',
      attestUri: 'shown',
      privateEndpointConnections: 'shown',
    },
  ),
  patched: ['tags', 'properties'],
  movable: true,
  create,
  change,
  // There are no private endpoints: clients get empty lists.
  reads: { privateEndpointConnections: none, privateLinkResources: none },
  routes: furtherRoutes,
  // The provider's policies and keys are removed with the resource: nothing it signed can be verified any longer.
  forget: async (plane, _asker, { location, name }) => await plane.attestation.remove(codeOf(location), name),
  // The attestation service checks rights at the id it knows, so it is informed of the new one.
  moved: async (plane, _asker, _tx, { id, location, name }, from) =>
    await plane.attestation.move(codeOf(location), name, { from, to: id }),
}

async function none(): Promise<ArmReply> {
  return ok({ value: [] })
}

/** Regions' shared providers, and a provider's further routes. */
function furtherRoutes(plane: Plane): Route[] {
  return [
    route.get(`${namespace}/defaultProviders`, 'Microsoft.Attestation/defaultProviders/read', async () =>
      ok({ value: regions.map(defaultProviderView) }),
    ),
    route.get(
      `${namespace}/locations/{location}/defaultProvider`,
      'Microsoft.Attestation/locations/defaultProvider/read',
      async (request) => {
        const fields = new Fields({})
        const location = requireLocation(fields, param(request, 'location'))
        fields.assertSound()
        return ok(defaultProviderView(regions.find(({ name }) => name === location)!))
      },
    ),
    route.get('/providers/Microsoft.Attestation/operations', signedIn, async () => ok({ value: operations })),
    // An addition to Azure's wire, which leaves rotation to its service.
    route.post(`${one}/rotateKey`, `${providerType}/write`, async (request) => {
      const resource = await plane.resources.get(request.path.replace(/\/rotateKey$/i, ''))
      return ok({ kid: await plane.attestation.rotateKey(codeOf(resource.location), resource.name) })
    }),
  ]
}

/** The provider first, then the resource: a client interrupted in between repeats the same request. */
async function create(plane: Plane, request: ArmRequest, group: Resource): Promise<ArmReply> {
  const { location, tags, certificates } = readProviderRequest(request.body, group.location)
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

async function change(plane: Plane, request: ArmRequest, existing: Resource<unknown>): Promise<ArmReply> {
  if (request.method === 'PUT') {
    const { location, certificates } = readProviderRequest(request.body, existing.location)
    assertSame(existing, location, certificates?.length ?? 0)
  } else {
    const fields = new Fields(request.body)
    readSettings(fields.object('properties'))
    fields.assertSound()
  }
  return ok(providerView(await retag(plane, request, existing)))
}

/** Region and trust model are fixed; signers are changed at the provider itself, by authorised signers. */
function assertSame(existing: Resource<unknown>, location: string, certificates: number): void {
  assertSameLocation(existing, location)
  if (certificates === 0) return
  throw new ServiceError({
    code: 'PropertyChangeNotAllowed',
    message: 'Policy signing certificates are set when a provider is created.',
    target: 'properties.policySigningCertificates',
    expected: 'no policySigningCertificates for a provider that exists',
    found: `${certificates} certificates`,
    remedy:
      'Add and remove signers at the provider: POST {attestUri}/certificates:add and :remove, signed by a current one.',
  })
}

function codeOf(location: string): string {
  const region = findRegion(location)
  if (region === undefined) throw new TypeError(`no region ${location}`)
  return region.code
}
