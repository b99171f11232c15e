import type { CodeWithStatus } from '@strongroom/contract'
import type { Assignment, RoleDefinition } from '../arm/access.ts'
import { conditionVersion, type AssignmentAttributes, type Attributes } from '../arm/roles/condition/condition.ts'
import { parseCondition } from '../arm/roles/condition/parse.ts'
import { Fields } from '../arm/fields.ts'
import { givesRoles } from '../arm/roles/grant.ts'
import { param, type ArmRequest } from '../arm/request.ts'
import type { ConditionedRequest } from '../arm/router.ts'
import type { Plane } from '../types/plane.ts'
import { scopeOf } from './scopes.ts'

const guid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const longestDescription = 2_048
const envelope = ['id', 'name', 'type', 'systemData']
const readOnly = ['scope', 'createdOn', 'createdBy', 'updatedOn', 'updatedBy']
const written = ['roleDefinitionId', 'principalId', 'principalType', 'description', 'condition', 'conditionVersion']
const principalTypes = ['ServicePrincipal', 'User', 'Group'] as const

export interface AssignmentRequest {
  role: RoleDefinition
  principalId: string
  /** As the client names it. */
  principalType: string | undefined
  condition: string | undefined
  description: string | undefined
}

/** Older clients send the properties at the top level. */
const propertiesOf = (fields: Fields): Fields => (fields.has('properties') ? fields.object('properties') : fields)

const roleOf = async (plane: Plane, properties: Fields): Promise<RoleDefinition | undefined> =>
  await plane.access.role(properties.text('roleDefinitionId')?.split('/').at(-1) ?? '')

/** @throws ServiceError with all faults of the request */
export async function readAssignment(plane: Plane, request: ArmRequest): Promise<AssignmentRequest> {
  const fields = new Fields(request.body)
  const properties = propertiesOf(fields)
  refuseOthers(fields, properties, scopeOf(request.path, 'Microsoft.Authorization'))
  const role = await roleOf(plane, properties)
  const principalId = properties.text('principalId') ?? ''
  const principalType = readType(properties)
  const name = param(request, 'assignment')
  const invalid = (refused: CodeWithStatus, target: string, message: string): void =>
    fields.problem({ ...refused, message, target })
  if (!guid.test(name))
    invalid(
      { code: 'InvalidRoleAssignmentId' },
      'name',
      `The role assignment ID '${name.slice(0, 60)}' is not valid. The role assignment ID must be a GUID.`,
    )
  if (role === undefined)
    invalid(
      { code: 'RoleDefinitionDoesNotExist', status: 400 },
      properties.at('roleDefinitionId'),
      'The specified role definition does not exist.',
    )
  if (!guid.test(principalId))
    invalid(
      { code: 'InvalidPrincipalId' },
      properties.at('principalId'),
      'A valid principal ID must be provided for role assignment.',
    )
  const description = readDescription(properties)
  const condition = readCondition(properties, role)
  fields.assertSound()
  if (condition !== undefined) parseCondition(condition)
  return { role: role!, principalId, principalType, condition, description }
}

function refuseOthers(fields: Fields, properties: Fields, scope: string): void {
  if (properties.flag('canDelegate') === true)
    properties.unsupported(properties.at('canDelegate'), 'Delegation is described by a condition.', {
      expected: 'false',
      found: 'true',
      remedy: 'Set condition.',
    })
  if (properties === fields) fields.only(...envelope, ...readOnly, ...written, 'canDelegate')
  else {
    fields.only(...envelope, 'properties')
    properties.only(...readOnly, ...written, 'canDelegate')
  }
  const given = properties.text('scope')
  if (given === undefined || given.replace(/\/$/, '').toLowerCase() === scope.toLowerCase()) return
  properties.invalid(properties.at('scope'), 'The scope differs from the scope in the path.', {
    expected: scope || '/',
    found: given.slice(0, 200),
    remedy: 'Omit scope.',
  })
}

function readType(properties: Fields): string | undefined {
  const given = properties.text('principalType')
  const others = ['ForeignGroup', 'Device'].map((each) => each.toLowerCase())
  if (given === undefined || !others.includes(given.toLowerCase()))
    return properties.oneOf('principalType', principalTypes)
  properties.unsupported(properties.at('principalType'), `The directory has no principals of type '${given}'.`, {
    expected: principalTypes.join(', '),
    found: given,
    remedy: 'Assign the role to a principal of the directory.',
  })
  return undefined
}

function readDescription(properties: Fields): string | undefined {
  const description = properties.text('description')
  if (description === undefined || description.length <= longestDescription) return description
  properties.invalid(properties.at('description'), 'The description is too long.', {
    expected: `at most ${longestDescription} characters`,
    found: `${description.length}`,
    remedy: 'Shorten it.',
  })
  return undefined
}

function readCondition(properties: Fields, role: RoleDefinition | undefined): string | undefined {
  const condition = properties.text('condition')
  const version = properties.text('conditionVersion')
  const expected = condition === undefined ? undefined : conditionVersion
  if (version !== expected)
    properties.problem({
      code: 'InvalidRoleAssignmentCondition',
      message: `The given role assignment condition is invalid: conditionVersion must be ${expected ?? 'absent without a condition'}.`,
      target: properties.at('conditionVersion'),
      expected: expected ?? 'none',
      found: version?.slice(0, 80) ?? 'none',
      remedy: expected === undefined ? 'Omit conditionVersion.' : `Send conditionVersion "${expected}".`,
    })
  if (condition !== undefined && (role?.dataActions ?? []).length > 0)
    properties.unsupported(
      properties.at('condition'),
      `The role '${role!.name}' has data actions, and conditions of these are not evaluated by this installation.`,
      { expected: 'none', found: 'a condition', remedy: 'Assign the role unconditionally, or at a narrower scope.' },
    )
  return condition
}

/**
 * A role of the installation's own that gives roles is as good as Owner, and no list of Azure's privileged roles has
 * its id: conditions admit it by naming it alone.
 */
const onlyByName = (role: RoleDefinition | undefined): boolean =>
  role?.assignableScopes !== undefined && givesRoles(role)

async function attributesOf(plane: Plane, row: Assignment): Promise<AssignmentAttributes> {
  const { role_id: roleDefinitionId, principal_id: principalId, principal_type: principalType } = row
  const role = await plane.access.role(roleDefinitionId)
  return { roleDefinitionId, principalId, principalType, onlyByName: onlyByName(role) }
}

/**
 * What conditions see of a PUT: the request, and what it replaces. An existing assignment has to be one that the caller
 * could also have created, so that nobody takes another's condition away. A type counts only if the directory knows it.
 */
export async function attributesOfWrite(plane: Plane, request: ConditionedRequest): Promise<Attributes[]> {
  const properties = propertiesOf(new Fields(request.body))
  const role = await roleOf(plane, properties)
  const given = properties.text('principalId') ?? ''
  const principalId = guid.test(given) ? given.toLowerCase() : undefined
  const { principalType }: { principalType?: string | undefined } =
    principalId === undefined ? {} : await plane.identities.lookUp(principalId)
  const asked = { roleDefinitionId: role?.id, principalId, principalType, onlyByName: onlyByName(role) }
  const existing = await existingAt(plane, request)
  if (existing === undefined) return [{ request: asked, resource: {} }]
  const resource = await attributesOf(plane, existing)
  return [asked, resource].map((each) => ({ request: each, resource }))
}

/** What conditions see of a DELETE. */
export async function attributesOfDeletion(plane: Plane, request: ConditionedRequest): Promise<Attributes[]> {
  const existing = await existingAt(plane, request)
  return [{ request: {}, resource: existing === undefined ? {} : await attributesOf(plane, existing) }]
}

const existingAt = async (plane: Plane, { path, params }: ConditionedRequest): Promise<Assignment | undefined> =>
  await plane.access.find(scopeOf(path, 'Microsoft.Authorization'), params['assignment'] ?? '')
