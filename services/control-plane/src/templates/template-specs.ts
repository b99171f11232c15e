import { ServiceError } from '@strongroom/platform'
import { Fields } from '../arm/fields.ts'
import { listPage } from '../arm/list-page.ts'
import { checkPreconditions } from '../arm/preconditions.ts'
import { ok, param, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { resourceView } from '../arm/resource-view.ts'
import type { Route } from '../arm/router.ts'
import { requireLocation } from '../arm/regions.ts'
import { groupPath, subscriptionPath, type Plane } from '../plane.ts'
import type { Resource, ResourceBody } from '../store/resources.ts'
import { TemplateError } from './template-error.ts'
import { isObject, textOf, type Obj } from './values.ts'

export const templateSpecType = 'Microsoft.Resources/templateSpecs'
export const templateSpecVersionType = 'Microsoft.Resources/templateSpecs/versions'

export interface TemplateSpecInternal {
  template: Obj
  /** Templates that the main one refers to by relativePath. */
  linked: Record<string, Obj>
}

const nameForm = /^[A-Za-z0-9_().-]{1,90}$/
const base = `${groupPath}/providers/${templateSpecType}`
const one = `${base}/{name}`
const versions = `${one}/versions`
const version = `${versions}/{version}`

/** Templates kept as resources: what a deployment's templateLink may name. */
export function templateSpecRoutes(plane: Plane): Route[] {
  const versionsOf = async (spec: Resource): Promise<Resource[]> =>
    (await plane.resources.list({ type: templateSpecVersionType, groupId: spec.id })).filter((each) =>
      each.key.startsWith(`${spec.key}/versions/`),
    )
  const view = async (spec: Resource, request: ArmRequest): Promise<Record<string, unknown>> => {
    const shown = resourceView(spec, templateSpecType)
    if (!/\bversions\b/i.test(request.query['$expand'] ?? '')) return shown
    const all = await versionsOf(spec)
    const info = all.map(({ name, body, createdAt, updatedAt }) => [
      name,
      { description: body.properties['description'], timeCreated: createdAt, timeModified: updatedAt },
    ])
    return { ...shown, properties: { ...spec.body.properties, versions: Object.fromEntries(info) as Obj } }
  }
  const list =
    (byGroup: boolean) =>
    async (request: ArmRequest): Promise<ArmReply> => {
      if (byGroup) await plane.resources.requireGroup(request.path)
      return await listPage(plane, request, {
        type: templateSpecType,
        ...(byGroup && { groupId: request.path }),
        view: async (each) => await view(each, request),
      })
    }
  const remove = async (request: ArmRequest): Promise<ArmReply> => {
    await plane.resources.requireGroup(request.path)
    return await plane.resources.transaction(async (tx) => {
      await plane.resources.lockGroup(tx, request.path)
      const found = await plane.resources.find(request.path, tx)
      if (found === undefined) return { status: 204 }
      const all = await plane.resources.list({ type: templateSpecVersionType, groupId: request.path }, tx)
      for (const each of all)
        if (each.key.startsWith(`${found.key}/versions/`)) await plane.resources.remove(tx, each.id)
      await plane.resources.remove(tx, found.id)
      return { status: 200 }
    })
  }
  return [
    { method: 'GET', path: base, action: `${templateSpecType}/read`, handle: list(true) },
    {
      method: 'GET',
      path: `${subscriptionPath}/providers/${templateSpecType}`,
      action: `${templateSpecType}/read`,
      handle: list(false),
    },
    {
      method: 'GET',
      path: one,
      action: `${templateSpecType}/read`,
      handle: async (request) => ok(await view(await plane.resources.get(request.path), request)),
    },
    {
      method: 'PUT',
      path: one,
      action: `${templateSpecType}/write`,
      handle: async (request) => await put(plane, request, templateSpecType),
    },
    { method: 'DELETE', path: one, action: `${templateSpecType}/delete`, handle: remove },
    {
      method: 'GET',
      path: versions,
      action: `${templateSpecVersionType}/read`,
      handle: async (request) => {
        const spec = await plane.resources.get(request.path.slice(0, request.path.lastIndexOf('/')))
        return await listPage(plane, request, {
          type: templateSpecVersionType,
          groupId: spec.id,
          keep: ({ key }) => key.startsWith(`${spec.key}/versions/`),
          view: (each) => resourceView(each, templateSpecVersionType),
        })
      },
    },
    {
      method: 'GET',
      path: version,
      action: `${templateSpecVersionType}/read`,
      handle: async (request) => ok(resourceView(await plane.resources.get(request.path), templateSpecVersionType)),
    },
    {
      method: 'PUT',
      path: version,
      action: `${templateSpecVersionType}/write`,
      handle: async (request) => await put(plane, request, templateSpecVersionType),
    },
    { method: 'DELETE', path: version, action: `${templateSpecVersionType}/delete`, handle: remove },
  ]
}

async function put(plane: Plane, request: ArmRequest, type: string): Promise<ArmReply> {
  const isVersion = type === templateSpecVersionType
  const group = await plane.resources.requireGroup(request.path)
  const name = param(request, isVersion ? 'version' : 'name')
  if (!nameForm.test(name)) {
    throw new ServiceError({
      code: 'InvalidTemplateSpec',
      status: 400,
      message: `The name '${name.slice(0, 90)}' is invalid.`,
      target: 'name',
      expected: "1 to 90 letters, digits, '_', '-', '.', '(' and ')'",
      found: name.slice(0, 90),
    })
  }
  const fields = new Fields(request.body)
  const properties = fields.object('properties')
  const location = requireLocation(fields, fields.text('location') ?? group.location)
  const tags = fields.textMap('tags')
  const description = properties.text('description')
  const displayName = properties.text('displayName')
  fields.assertSound()
  const internal = isVersion ? readTemplates(properties) : {}
  // Where the spec itself is not there, its version would be nobody's.
  if (isVersion) await plane.resources.get(request.path.split('/').slice(0, -2).join('/'))
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
