import { randomUUID } from 'node:crypto'
import { ServiceError } from '@strongroom/platform'
import type { Link } from '../../../arm/access.ts'
import { unsupported } from '../../../arm/refusals.ts'
import { checkPreconditions } from '../../../arm/preconditions.ts'
import { Fields, withoutNulls, type Problem } from '../../../arm/fields.ts'
import { keyOf } from '../../../arm/ids/resource-id.ts'
import type { ArmReply, ArmRequest } from '../../../arm/request.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import type { Route } from '../../../arm/router.ts'
import { requireLocation } from '../../../arm/regions.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Db, Json, Resource, ResourceBody } from '../../../store/resources.ts'
import type { Members } from '../../../types/members.ts'
import type { Answers, ResourceType } from '../../../types/resource-type.ts'
import { requireAlong, type Along } from '../../../types/along.ts'
import { retag } from '../../../types/retag.ts'

export interface Written {
  tx: Db
  id: string
  location: string
  fields: Fields
  /** The request's properties without nulls. */
  given: Json
  existing: Resource | undefined
}

/** One kind of network resource: how a write completes it, and what prevents its deletion. */
export interface NetworkKind {
  /** For example virtualNetworks. */
  name: string
  members: Members
  refersTo?: readonly string[]
  /** The properties to store. Problems are added to `fields.problems`. */
  complete(plane: Plane, o: Written): Promise<Json>
  /** What the request refers to elsewhere. */
  links?(fields: Fields): Link[]
  /** What its deletion changes beside it; a PUT that names others instead changes those too. */
  along?(plane: Plane, resource: Resource): Promise<Along[]>
  /** @throws ServiceError where something still uses it */
  assertUnused(plane: Plane, tx: Db, resource: Resource): Promise<void>
  /** Releases what the resource holds elsewhere. */
  released?(plane: Plane, tx: Db, resource: Resource): Promise<void>
  /** ARM id of the resource it is attached to. */
  holder?(resource: Resource): string | undefined
  routes?(plane: Plane): Route[]
  actions?: Answers
  /** As clients see it; default: what every resource shows. */
  view?: NonNullable<ResourceType<Json>['view']>
}

/** Right to give a public address to an interface or a load balancer. */
export const addressJoin = 'Microsoft.Network/publicIPAddresses/join/action'

const namespace = 'Microsoft.Network'
const nameForm = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?$/

/** Network resources are written in one transaction, so a request is complete when answered: no operation to poll. */
export function networkType(kind: NetworkKind): ResourceType<Json> {
  const { name, ...hooks } = kind
  const spelling = `${namespace}/${name}`
  return {
    ...hooks,
    spelling,
    patched: ['tags'],
    movable: true,
    create: async (plane, request) => await put(plane, kind, spelling, request),
    change: async (plane, request, existing) =>
      request.method === 'PUT'
        ? await put(plane, kind, spelling, request)
        : withEtag(await retag(plane, request, existing), spelling, 200),
  }
}

async function put(plane: Plane, kind: NetworkKind, type: string, request: ArmRequest): Promise<ArmReply> {
  const group = await plane.resources.requireGroup(request.path)
  const name = request.params['name'] ?? ''
  if (!nameForm.test(name)) throw invalidName(name)
  const fields = new Fields(request.body)
  const tags = fields.textMap('tags')
  const location = requireLocation(fields, fields.text('location') ?? group.location)
  const zones = fields.texts('zones', 3)
  const sku = withoutNulls(fields.raw('sku')) as Json | undefined
  const links = kind.links?.(fields) ?? []
  fields.assertSound()
  await plane.access.requireLinked(request.caller, request.path, links)
  await requireAttachable(plane, kind, request, links)
  const { resource, created } = await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, request.path)
    // Must not overwrite a VM that attaches it in its own transaction.
    const existing = await plane.resources.lock(tx, request.path)
    checkPreconditions(request, existing)
    const given = (withoutNulls(fields.raw('properties')) ?? {}) as Json
    const completed = await kind.complete(plane, { tx, id: request.path, location, fields, given, existing })
    fields.assertSound()
    const properties = {
      ...completed,
      provisioningState: 'Succeeded',
      resourceGuid: existing?.body.properties['resourceGuid'] ?? randomUUID(),
    }
    const body: ResourceBody = {
      properties,
      ...(tags !== undefined && { tags }),
      ...(zones.length > 0 && { zones }),
      ...(sku !== undefined && { sku }),
    }
    if (existing === undefined) {
      return { resource: await plane.resources.insert(tx, { id: request.path, location, body }), created: true }
    }
    const changed = await plane.resources.change(tx, request.path, (current) => {
      current.body = body
    })
    return { resource: changed ?? existing, created: false }
  })
  return withEtag(resource, type, created ? 201 : 200)
}

/** Public addresses that the write gives to the resource or takes from it change too. @throws ServiceError ScopeLocked */
async function requireAttachable(
  plane: Plane,
  kind: NetworkKind,
  request: ArmRequest,
  links: readonly Link[],
): Promise<void> {
  const existing = await plane.resources.find(request.path)
  const before = existing === undefined ? [] : ((await kind.along?.(plane, existing)) ?? []).map(({ id }) => id)
  const after = links.filter(({ action }) => action === addressJoin).map(({ id }) => id)
  const has = (ids: readonly string[], id: string): boolean => ids.some((each) => keyOf(each) === keyOf(id))
  const touched = [...before.filter((id) => !has(after, id)), ...after.filter((id) => !has(before, id))]
  const along = touched.map((id): Along => ({ id, does: 'change' }))
  await requireAlong(plane, { asker: request.caller, path: request.path }, along)
}

function withEtag(resource: Resource, type: string, status: number): ArmReply {
  return { status, body: resourceView(resource, type), headers: { etag: `W/"${resource.etag}"` } }
}

export function invalidName(name: string): ServiceError {
  return new ServiceError({
    code: 'InvalidResourceName',
    message:
      `Resource name ${name.slice(0, 90)} is invalid. The name can be up to 80 characters long. It must begin with ` +
      "a word character, and it must end with a word character or with '_'. The name may contain word characters or " +
      "'.', '-', '_'.",
    target: 'name',
    found: name.slice(0, 90),
    remedy: 'Use another name.',
  })
}

export function referenceProblem(target: string, id: string): Problem {
  return {
    code: 'InvalidResourceReference',
    message:
      `Resource ${id} referenced by resource was not found. Please make sure that the referenced resource exists, ` +
      'and that both resources are in the same region.',
    target,
    expected: 'the id of an existing resource',
    found: id,
    remedy: 'Create the referenced resource first.',
  }
}

/** How the private address of a configuration is chosen. */
export interface Allocation {
  method: 'Dynamic' | 'Static'
  /** Static. */
  wanted: string | undefined
  /** Dynamic, of a new configuration: an exported template has the address that it had, which it gets if that is free. */
  preferred: string | undefined
}

/** @param before the address that the configuration has: clients send it back */
export function readAllocation(fields: Fields, before: string | undefined): Allocation {
  const method = fields.oneOf('privateIPAllocationMethod', ['Dynamic', 'Static']) ?? 'Dynamic'
  const address = fields.text('privateIPAddress')
  if (method === 'Static') return { method, wanted: address, preferred: undefined }
  if (before === undefined) return { method, wanted: undefined, preferred: address }
  if (address !== undefined && address !== before) fields.problem(chosenByNobody(fields, address))
  return { method, wanted: undefined, preferred: undefined }
}

/** An address in a request that leaves its choice to the subnet. */
const chosenByNobody = (fields: Fields, wanted: string): Problem =>
  unsupported(fields.at('privateIPAddress'), "'privateIPAddress' has no effect with a dynamic address.", {
    expected: 'no privateIPAddress, or privateIPAllocationMethod Static',
    found: wanted.slice(0, 40),
    remedy: 'Set privateIPAllocationMethod to Static.',
  })

/** The id of an existing resource of the type, locked against deletion; undefined with a problem, or if none is named. */
export async function checkReference(
  plane: Plane,
  tx: Db,
  reference: Fields,
  typeName: string,
): Promise<string | undefined> {
  const id = reference.text('id')
  if (id === undefined) return undefined
  const found = await plane.resources.lock(tx, id)
  if (found?.type === `microsoft.network/${typeName}`.toLowerCase()) return found.id
  reference.problem(referenceProblem(reference.at('id'), id))
  return undefined
}
