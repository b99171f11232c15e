import { Fields } from '../../../arm/fields.ts'
import type { ArmReply, ArmRequest } from '../../../arm/request.ts'
import { requireLocation } from '../../../arm/regions.ts'
import { resourceView } from '../../../arm/resource-view.ts'
import type { Plane } from '../../../types/plane.ts'
import type { Json, Resource } from '../../../store/resources.ts'
import type { ResourceType } from '../../../types/resource-type.ts'
import { definitionType, type OsState } from '../disk/stored/stored-disk.ts'
import { writeResource } from './galleries.ts'
import { definitionMembers } from './gallery-members.ts'
import { requireEndOfLife } from './publishing.ts'
import { securityFeatures, type SecurityFeature } from '../image/resolved/security-features.ts'

/** An image definition's statements about the VMs of its versions. */
export interface Definition {
  osState: OsState
  hyperVGeneration: 'V1' | 'V2'
  security: SecurityFeature
}

export function definitionOf(resource: Resource): Definition {
  const { osState, hyperVGeneration, features } = resource.body.properties as {
    osState: OsState
    hyperVGeneration: Definition['hyperVGeneration']
    features?: { name: string; value: string }[]
  }
  const given = features?.find(({ name }) => name.toLowerCase() === 'securitytype')?.value.toLowerCase()
  const security = securityFeatures.find((each) => each.toLowerCase() === given) ?? 'Standard'
  return { osState, hyperVGeneration, security }
}

const view = (definition: Resource): Record<string, unknown> => resourceView(definition, definitionType)
const nameForm = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,78}[A-Za-z0-9])?$/
const copied = [
  'description',
  'eula',
  'privacyStatementUri',
  'releaseNoteUri',
  'endOfLifeDate',
  'architecture',
] as const
const copiedObjects = ['recommended', 'disallowed', 'purchasePlan'] as const

/** Image definitions: what the versions below them have in common. */
export const definitions: ResourceType<Json> = {
  spelling: definitionType,
  members: definitionMembers,
  emptiedFirst: true,
  create: async (plane, request, gallery) => await put(plane, request, gallery, undefined),
  change: async (plane, request, existing) =>
    await put(plane, request, await plane.resources.get(request.path.split('/').slice(0, 9).join('/')), existing),
}

async function put(
  plane: Plane,
  request: ArmRequest,
  gallery: Resource,
  existing: Resource | undefined,
): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const properties = fields.object('properties')
  const before = existing?.body.properties
  const name = request.params['name'] ?? ''
  const tags = fields.textMap('tags') ?? existing?.body.tags
  if (!nameForm.test(name))
    fields.invalid('name', `The image definition's name '${name.slice(0, 90)}' is invalid.`, {
      expected: '1 to 80 letters, digits, dots, hyphens and underscores, beginning and ending with a letter or digit',
    })
  const location = requireLocation(fields, fields.text('location') ?? gallery.location)
  if (location !== gallery.location)
    fields.invalid('location', 'An image definition must be in its gallery’s region.', {
      expected: gallery.location,
      found: location.slice(0, 60),
    })
  const made = readDefinition(fields, properties, before)
  if (before !== undefined) immutable(fields, before, made)
  else await requireOwnIdentifier(plane, fields, gallery, made)
  fields.assertSound()
  const body = { properties: { ...made, provisioningState: 'Succeeded' }, ...(tags !== undefined && { tags }) }
  const written = await writeResource(plane, request.path, { location: gallery.location, body })
  return { status: written.created ? 201 : 200, body: view(written.resource) }
}

function readDefinition(fields: Fields, properties: Fields, before: Json | undefined): Json {
  const osType = properties.oneOf('osType', ['Linux', 'Windows']) ?? before?.['osType']
  const osState = properties.oneOf('osState', ['Generalized', 'Specialized']) ?? before?.['osState']
  const hyperVGeneration = properties.oneOf('hyperVGeneration', ['V1', 'V2']) ?? before?.['hyperVGeneration'] ?? 'V1'
  const identifier = readIdentifier(fields, properties, before)
  const features = properties.has('features')
    ? readFeatures(fields, properties)
    : (before?.['features'] as Feature[] | undefined)
  if (osType === 'Windows')
    fields.unsupported(properties.at('osType'), 'Windows guests are not offered.', {
      expected: 'Linux',
      found: 'Windows',
    })
  for (const [member, value] of Object.entries({ osType, osState })) {
    if (value === undefined && !fields.problems.some(({ target }) => target === properties.at(member)))
      fields.missing(`galleryImage.properties.${member}`, properties.at(member))
  }
  requireEndOfLife(fields, properties)
  const security = features?.find(({ name }) => name.toLowerCase() === 'securitytype')?.value
  if (security !== undefined && security.toLowerCase() !== 'standard' && hyperVGeneration === 'V1')
    fields.invalid(
      properties.at('hyperVGeneration'),
      `The feature SecurityType '${security}' is supported for images of generation V2 only.`,
      { expected: 'V2', found: 'V1', remedy: 'Use --hyper-v-generation V2.', rule: 'S12' },
    )
  return {
    osType,
    osState,
    hyperVGeneration,
    identifier,
    ...(features !== undefined && { features }),
    ...Object.fromEntries(
      copied.flatMap((member) => {
        const value = properties.text(member) ?? before?.[member]
        return value === undefined ? [] : [[member, value]]
      }),
    ),
    ...Object.fromEntries(
      copiedObjects.flatMap((member) => {
        const value = properties.object(member).present ? properties.raw(member) : before?.[member]
        return value === undefined ? [] : [[member, value]]
      }),
    ),
    architecture: properties.oneOf('architecture', ['x64', 'Arm64']) ?? before?.['architecture'] ?? 'x64',
  }
}

interface Feature {
  name: string
  value: string
}

function readFeatures(fields: Fields, properties: Fields): Feature[] {
  return properties.list('features', 100).map((feature, index) => {
    const [name, value] = [feature.text('name') ?? '', feature.text('value') ?? '']
    const known = securityFeatures.find((each) => each.toLowerCase() === value.toLowerCase())
    if (name.toLowerCase() === 'securitytype' && known === undefined)
      fields.invalid(
        `${properties.at('features')}[${index}].value`,
        `The SecurityType '${value.slice(0, 60)}' is not known.`,
        { expected: securityFeatures.join(', '), found: value.slice(0, 60) },
      )
    return { name, value: known ?? value }
  })
}

function readIdentifier(fields: Fields, properties: Fields, before: Json | undefined): Json {
  const given = properties.object('identifier')
  const old = (before?.['identifier'] ?? {}) as Record<string, string | undefined>
  return Object.fromEntries(
    (['publisher', 'offer', 'sku'] as const).map((member) => {
      const value = given.text(member) ?? old[member]
      if (value === undefined || !/^[A-Za-z0-9._-]{1,128}$/.test(value))
        fields.invalid(given.at(member), `The identifier's ${member} is missing or invalid.`, {
          expected: 'letters, digits, dots, hyphens and underscores',
          found: value?.slice(0, 60) ?? 'null',
        })
      return [member, value]
    }),
  )
}

function immutable(fields: Fields, before: Json, made: Json): void {
  for (const member of ['osType', 'osState', 'hyperVGeneration', 'identifier', 'features', 'architecture']) {
    const [old, now] = [JSON.stringify(before[member] ?? null), JSON.stringify(made[member] ?? null)]
    if (old.toLowerCase() === now.toLowerCase()) continue
    fields.unchangeable(`galleryImage.properties.${member}`, {
      target: `properties.${member}`,
      expected: old.slice(0, 120),
      found: now.slice(0, 120),
      remedy: 'Create another image definition.',
    })
  }
}

async function requireOwnIdentifier(plane: Plane, fields: Fields, gallery: Resource, made: Json): Promise<void> {
  const wanted = JSON.stringify(made['identifier']).toLowerCase()
  const all = await plane.resources.list({ type: definitionType, groupId: gallery.id })
  const other = all.find(
    ({ key, body }) =>
      key.startsWith(`${gallery.key}/`) && JSON.stringify(body.properties['identifier']).toLowerCase() === wanted,
  )
  if (other === undefined) return
  fields.problem({
    code: 'Conflict',
    message: `The gallery already has an image definition with this publisher, offer and SKU: ${other.name}.`,
    target: 'properties.identifier',
    expected: 'a unique identifier',
    found: other.id,
  })
}
