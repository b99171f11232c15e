import type { CodeWithStatus, SettledCode } from '@strongroom/contract'
import { ServiceError, type Caller, type Store } from '@strongroom/platform'
import { badParameter, shown } from '../core/errors.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { objectOf } from '../objects/attributes.ts'
import { checkObjectName, folded } from '../core/names.ts'
import { recordInHsmLog } from './record.ts'
import type { HsmRepository, RoleAssignment } from './repository.ts'
import { builtInRoles, hsmAction, knownActions, type RoleDefinition } from './roles.ts'

const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const assignmentLimit = 2000
const definitionLimit = 50

/** Local roles of managed HSMs: definitions and assignments. Permission has been checked before. */
export class LocalRoles {
  readonly #o: { store: Store; repository: HsmRepository; log: OperationLog }

  constructor(o: { store: Store; repository: HsmRepository; log: OperationLog }) {
    this.#o = o
  }

  definitions(hsm: string): Promise<RoleDefinition[]> {
    return this.#o.repository.definitions(hsm)
  }

  async definition(hsm: string, given: string): Promise<RoleDefinition> {
    const id = idOf(given, 'roleDefinitionName')
    const found = (await this.definitions(hsm)).find((definition) => definition.id === id)
    if (found) return found
    throw notFound('RoleDefinitionNotFound', 'role definition', id)
  }

  /** Creates or replaces a custom role. */
  async putDefinition(caller: Caller, hsm: string, given: string, body: unknown): Promise<RoleDefinition> {
    const definition = customRole(idOf(given, 'roleDefinitionName'), body)
    const { store, repository } = this.#o
    const existing = await repository.definitions(hsm)
    const clash = existing.find(
      ({ id, roleName }) => id !== definition.id && roleName.toLowerCase() === definition.roleName.toLowerCase(),
    )
    if (builtInRoles.some(({ id }) => id === definition.id)) throw builtInConflict(definition.id)
    if (clash)
      throw conflict(
        { code: 'RoleDefinitionWithSameNameExists' },
        `There is already a role named '${shown(definition.roleName)}' already.`,
      )
    if (existing.length >= builtInRoles.length + definitionLimit) {
      throw conflict(
        { code: 'RoleDefinitionLimitExceeded', status: 409 },
        `A managed HSM has at most ${definitionLimit} custom roles.`,
      )
    }
    await store.transaction(async (tx) => {
      await repository.putDefinition(tx, hsm, definition)
      await recordInHsmLog(this.#o.log, tx, {
        by: caller,
        operation: 'roleDefinitions/write',
        name: hsm,
        subject: textOfRole(definition),
      })
    })
    return definition
  }

  async removeDefinition(caller: Caller, hsm: string, given: string): Promise<RoleDefinition> {
    const definition = await this.definition(hsm, given)
    if (definition.type === 'AKVBuiltInRole') throw builtInConflict(definition.id)
    const { store, repository } = this.#o
    if ((await repository.assignments(hsm)).some(({ roleId }) => roleId === definition.id)) {
      throw conflict(
        { code: 'RoleDefinitionHasAssignments', status: 409 },
        `The role '${definition.roleName}' is still assigned.`,
      )
    }
    await store.transaction(async (tx) => {
      await repository.removeDefinition(tx, hsm, definition.id)
      await recordInHsmLog(this.#o.log, tx, {
        by: caller,
        operation: 'roleDefinitions/delete',
        name: hsm,
        subject: textOfRole(definition),
      })
    })
    return definition
  }

  /** At a scope and below. */
  async assignments(hsm: string, scope: string): Promise<RoleAssignment[]> {
    const all = await this.#o.repository.assignments(hsm)
    return scope === '/' ? all : all.filter((each) => each.scope === scope || each.scope.startsWith(`${scope}/`))
  }

  async assignment(hsm: string, scope: string, given: string): Promise<RoleAssignment> {
    const id = idOf(given, 'roleAssignmentName')
    const found = (await this.#o.repository.assignments(hsm)).find((each) => each.id === id && each.scope === scope)
    if (found) return found
    throw notFound('RoleAssignmentNotFound', 'role assignment', id)
  }

  async assign(caller: Caller, hsm: string, o: { scope: string; id: string; body: unknown }): Promise<RoleAssignment> {
    const properties = propertiesOf(o.body, ['roleDefinitionId', 'principalId', 'scope'])
    const { roleDefinitionId, principalId } = properties
    if (properties['scope'] !== undefined && properties['scope'] !== null && properties['scope'] !== o.scope)
      throw badParameter('The scope differs from the scope in the path.', {
        target: 'properties.scope',
        expected: o.scope,
        found: shown(properties['scope']),
      })
    const role = typeof roleDefinitionId === 'string' ? roleDefinitionId.split('/').at(-1)! : ''
    const { id: roleId } = await this.definition(hsm, role)
    const principal = typeof principalId === 'string' ? principalId.toLowerCase() : ''
    if (!guid.test(principal)) {
      throw badParameter('The principal is invalid.', {
        target: 'properties.principalId',
        expected: 'an object id',
        found: shown(principalId),
      })
    }
    const assignment = { id: idOf(o.id, 'roleAssignmentName'), scope: o.scope, roleId, principalId: principal }
    const { store, repository } = this.#o
    if ((await repository.assignments(hsm)).length >= assignmentLimit) {
      throw conflict(
        { code: 'RoleAssignmentLimitExceeded' },
        `A managed HSM has at most ${assignmentLimit} role assignments.`,
      )
    }
    await store.transaction(async (tx) => {
      if (!(await repository.insertAssignment(tx, hsm, assignment))) {
        throw conflict({ code: 'RoleAssignmentExists' }, 'The role assignment already exists.')
      }
      await recordInHsmLog(this.#o.log, tx, {
        by: caller,
        operation: 'roleAssignments/write',
        name: hsm,
        subject: textOfAssignment(assignment),
      })
    })
    return assignment
  }

  async unassign(caller: Caller, hsm: string, scope: string, id: string): Promise<RoleAssignment> {
    const assignment = await this.assignment(hsm, scope, id)
    const { store, repository } = this.#o
    await store.transaction(async (tx) => {
      await repository.removeAssignment(tx, hsm, assignment.id)
      await recordInHsmLog(this.#o.log, tx, {
        by: caller,
        operation: 'roleAssignments/delete',
        name: hsm,
        subject: textOfAssignment(assignment),
      })
    })
    return assignment
  }
}

/** Scope of a request's path: nothing, `keys`, or `keys` with a name. */
export function scopeOf(params: { name?: string }, path: string): string {
  if (params.name !== undefined) return `/keys/${folded(checkObjectName(params.name))}`
  return path.toLowerCase().startsWith('/keys/') ? '/keys' : '/'
}

function customRole(id: string, body: unknown): RoleDefinition {
  const properties = propertiesOf(body, ['roleName', 'description', 'type', 'permissions', 'assignableScopes'])
  const { roleName, description, permissions, assignableScopes } = properties
  if (typeof roleName !== 'string' || roleName.trim() === '' || roleName.length > 200) {
    throw badParameter('The role has no name.', {
      target: 'properties.roleName',
      expected: '1 to 200 characters',
      found: shown(roleName),
    })
  }
  if (assignableScopes !== undefined && JSON.stringify(assignableScopes) !== '["/"]') {
    throw badParameter('A managed HSM’s role must be assignable at the scope "/".', {
      target: 'properties.assignableScopes',
      expected: '["/"]',
      found: shown(assignableScopes),
    })
  }
  const lists = (Array.isArray(permissions) ? (permissions as unknown[]) : []).map((each, index) => {
    const target = `properties.permissions[${index}]`
    return only(objectOf(each, target), target, ['actions', 'notActions', 'dataActions', 'notDataActions'])
  })
  const actions = (list: 'dataActions' | 'notDataActions'): string[] => [
    ...new Set(lists.flatMap((each) => (each[list] ?? []) as string[]).map((action) => knownAction(action, list))),
  ]
  for (const list of ['actions', 'notActions'])
    if (lists.some((each) => ((each[list] ?? []) as unknown[]).length > 0)) {
      throw badParameter('A managed HSM’s role can have data actions only.', {
        target: `properties.permissions.${list}`,
        expected: '[]',
        found: list,
      })
    }
  return {
    id,
    roleName,
    description: typeof description === 'string' ? description.slice(0, 1000) : '',
    type: 'CustomRole',
    dataActions: actions('dataActions'),
    notDataActions: actions('notDataActions'),
  }
}

/** A member that is ignored may be a restriction, such as a condition. @throws ServiceError BadParameter with its name */
function only(given: Record<string, unknown>, target: string, names: string[]): Record<string, unknown> {
  const other = Object.keys(given).find((name) => given[name] !== null && !names.includes(name))
  if (other === undefined) return given
  throw badParameter(`'${shown(other)}' has no effect here, so it is not accepted.`, {
    target: `${target}.${shown(other)}`,
    expected: names.join(', '),
    found: shown(other),
    remedy: `Omit ${shown(other)}.`,
  })
}

const propertiesOf = (body: unknown, names: string[]): Record<string, unknown> =>
  only(objectOf(((body ?? {}) as Record<string, unknown>)['properties'] ?? {}, 'properties'), 'properties', names)

function knownAction(action: unknown, list: string): string {
  const known = knownActions.find((each) => typeof action === 'string' && each.toLowerCase() === action.toLowerCase())
  if (known !== undefined) return known
  throw badParameter('A data action is unknown.', {
    target: `properties.permissions.${list}`,
    expected: `data actions such as ${hsmAction('keys/read/action')}`,
    found: shown(action),
  })
}

function idOf(value: string, target: string): string {
  const id = value.toLowerCase()
  if (guid.test(id)) return id
  throw badParameter('The name is not a GUID.', { target, expected: 'a GUID', found: shown(value) })
}

function builtInConflict(id: string): ServiceError {
  return conflict({ code: 'BuiltInRole' }, `The role ${id} is built in and cannot be changed.`)
}

function conflict(refused: CodeWithStatus, message: string): ServiceError {
  return new ServiceError({ ...refused, message, remedy: 'List the existing ones.' })
}

function notFound(code: SettledCode, noun: string, id: string): ServiceError {
  return new ServiceError({
    code,
    message: `There is no ${noun} ${id} in this managed HSM.`,
    target: id,
    remedy: `List the ${noun}s.`,
  })
}

const textOfAssignment = ({ roleId, principalId, scope }: RoleAssignment): string =>
  `role ${roleId} of ${principalId} at ${scope}`

/** Its contents, so that a role changed under its name is noticed. */
const textOfRole = ({ id, dataActions, notDataActions }: RoleDefinition): string =>
  `role ${id}: ${[...dataActions, ...notDataActions.map((action) => `not ${action}`)].join(' ')}`
