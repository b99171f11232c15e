import { ServiceError } from '@strongroom/platform'
import { Fields } from '../arm/fields.ts'
import { checkPreconditions } from '../arm/preconditions.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { resourceView } from '../arm/resource-view.ts'
import type { Plane } from '../types/plane.ts'
import type { Resource, ResourceBody } from '../store/resources.ts'
import { readPut } from '../types/creation.ts'
import { members } from '../types/members.ts'
import type { ResourceType } from '../types/resource-type.ts'
import { retag } from '../types/retag.ts'
import { TemplateError } from './template-error.ts'
import { isObject, textOf, type Obj } from './values.ts'

const templateSpecType = 'Microsoft.Resources/templateSpecs'
export const templateSpecVersionType = 'Microsoft.Resources/templateSpecs/versions'

export interface TemplateSpecInternal {
  template: Obj
  /** Templates that the main one refers to by relativePath. */
  linked: Record<string, Obj>
}

const nameForm = /^[A-Za-z0-9_().-]{1,90}$/

/** Templates stored as resources, for a deployment's templateLink. Deleting a spec deletes its versions. */
export const templateSpecs: ResourceType = {
  spelling: templateSpecType,
  members: members({}, { description: 'honoured', displayName: 'honoured', versions: 'shown' }),
  patched: ['tags'],
  view,
  create: async (plane, request) => await put(plane, request, templateSpecType),
  change: async (plane, request, existing) => await change(plane, request, existing, templateSpecType),
}

export const templateSpecVersions: ResourceType = {
  spelling: templateSpecVersionType,
  members: members(
    {},
    { description: 'honoured', displayName: 'honoured', mainTemplate: 'honoured', linkedTemplates: 'honoured' },
  ),
  patched: ['tags'],
  check: ({ body }) => void readTemplates(new Fields(body).object('properties')),
  create: async (plane, request) => await put(plane, request, templateSpecVersionType),
  change: async (plane, request, existing) => await change(plane, request, existing, templateSpecVersionType),
}

async function change(plane: Plane, request: ArmRequest, existing: Resource<unknown>, type: string): Promise<ArmReply> {
  if (request.method === 'PUT') return await put(plane, request, type)
  return ok(resourceView(await retag(plane, request, existing), type))
}

async function view(plane: Plane, spec: Resource<unknown>, request: ArmRequest): Promise<Record<string, unknown>> {
  const shown = resourceView(spec, templateSpecType)
  if (!/\bversions\b/i.test(request.query['$expand'] ?? '')) return shown
  const all = await plane.resources.list({ type: templateSpecVersionType, groupId: spec.id })
  const info = all
    .filter(({ key }) => key.startsWith(`${spec.key}/versions/`))
    .map(({ name, body, createdAt, updatedAt }) => [
      name,
      { description: body.properties['description'], timeCreated: createdAt, timeModified: updatedAt },
    ])
  return { ...shown, properties: { ...spec.body.properties, versions: Object.fromEntries(info) as Obj } }
}

async function put(plane: Plane, request: ArmRequest, type: string): Promise<ArmReply> {
  const isVersion = type === templateSpecVersionType
  const group = await plane.resources.requireGroup(request.path)
  const name = param(request, 'name')
  if (!nameForm.test(name)) {
    throw new ServiceError({
      code: 'InvalidTemplateSpec',
      message: `The name '${name.slice(0, 90)}' is invalid.`,
      target: 'name',
      expected: "1 to 90 letters, digits, '_', '-', '.', '(' and ')'",
      found: name.slice(0, 90),
    })
  }
  const { fields, properties, location, tags } = readPut(request, group.location)
  const description = properties.text('description')
  const displayName = properties.text('displayName')
  fields.assertSound()
  const internal = isVersion ? readTemplates(properties) : {}
  const body: ResourceBody = {
    properties: {
      ...(description !== undefined && { description }),
      ...(displayName !== undefined && { displayName }),
      ...(isVersion && {
        mainTemplate: internal.template,
        linkedTemplates: Object.entries(internal.linked ?? {}).map(([path, template]) => ({ path, template })),
      }),
      provisioningState: 'Succeeded',
    },
    ...(tags !== undefined && { tags }),
  }
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, request.path)
    const existing = await plane.resources.find(request.path, tx)
    checkPreconditions(request, existing)
    const written =
      existing === undefined
        ? await plane.resources.insert(tx, { id: request.path, location, body, internal })
        : await plane.resources.change(tx, existing.id, (row) => {
            row.body = body
            row.internal = internal as Obj
          })
    return { status: existing === undefined ? 201 : 200, body: resourceView(written!, type) }
  })
}

/** @throws TemplateError */
function readTemplates(properties: Fields): Partial<TemplateSpecInternal> {
  const template = properties.raw('mainTemplate')
  const linked = properties.raw('linkedTemplates') ?? []
  const invalid = (target: string, expected: string): TemplateError =>
    new TemplateError(`The template spec's '${target}' is not valid`, { code: 'InvalidTemplateSpec', target, expected })
  if (!isObject(template)) throw invalid('properties.mainTemplate', 'a template')
  if (!Array.isArray(linked)) throw invalid('properties.linkedTemplates', 'a list')
  const pairs = linked.map((each: unknown): [string, Obj] => {
    const path = isObject(each) ? textOf(each['path']) : ''
    const inner = isObject(each) ? each['template'] : undefined
    if (path === '' || !isObject(inner)) throw invalid('properties.linkedTemplates', 'path and template of each')
    return [path.replace(/^\.\//, ''), inner]
  })
  return { template, linked: Object.fromEntries(pairs) }
}
