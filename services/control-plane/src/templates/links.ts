import type { Caller } from '@strongroom/platform'
import type { Plane } from '../types/plane.ts'
import { templateSpecVersionType, type TemplateSpecInternal } from './template-specs.ts'
import { TemplateError } from './template-error.ts'
import { isObject, memberOf, textOf, type Obj } from './values.ts'

/** A link's result: a template, and the templates beside it. */
export interface Linked {
  template: Obj
  /** As the deployment shows it. */
  link: { id: string }
  beside: Record<string, Obj>
}

/**
 * The template behind `properties.templateLink`, undefined without a link. Template specs of this installation are read
 * as the caller; addresses are never fetched, because the server would use its own network.
 * @throws TemplateError, ServiceError LinkedAuthorizationFailed, ResourceNotFound
 */
export async function followLink(
  plane: Plane,
  o: { caller: Caller; path: string; properties: unknown; beside: Record<string, Obj> | undefined },
): Promise<Linked | undefined> {
  const properties = isObject(o.properties) ? o.properties : {}
  const link = memberOf(properties, 'templateLink')?.value
  if (link === undefined || link === null) return undefined
  const id = isObject(link) ? textOf(memberOf(link, 'id')?.value) : ''
  const relative = isObject(link) ? textOf(memberOf(link, 'relativePath')?.value) : ''
  if (relative !== '' && o.beside !== undefined) {
    const template = o.beside[relative.replace(/^\.\//, '')]
    if (template !== undefined) return { template, link: { id: relative }, beside: o.beside }
    throw refuse(
      `The template spec has no linked template '${relative.slice(0, 120)}'`,
      Object.keys(o.beside).join(', '),
    )
  }
  if (id === '') {
    throw refuse(
      'The templateLink of a deployment does not name a template spec, and this installation does not fetch anything from outside',
      'templateLink.id of a template spec version',
    )
  }
  await plane.access.requireLinked(o.caller, o.path, [{ action: `${templateSpecVersionType}/read`, id }])
  const found = await plane.resources.get<TemplateSpecInternal>(id)
  if (found.type !== templateSpecVersionType.toLowerCase())
    throw refuse(
      `The resource '${id.slice(0, 200)}' is not a version of a template spec`,
      `…/${templateSpecVersionType}/…`,
    )
  return { template: found.internal.template, link: { id: found.id }, beside: found.internal.linked }
}

const refuse = (message: string, expected: string): TemplateError =>
  new TemplateError(message, {
    code: 'InvalidTemplateLink',
    target: 'properties.templateLink',
    expected: expected.slice(0, 300),
    remedy: 'Store the template as a template spec (az ts create), or send it directly; write nested ones inline.',
  })
