import { isDeepStrictEqual } from 'node:util'
import { ServiceError, type Caller, type Clock } from '@strongroom/platform'
import type { ResourceStore } from '../store/resources.ts'
import { insertIfAbsent } from '../store/rows.ts'
import type { RoleAssignmentTable, RoleDefinitionTable } from '../store/tables.ts'
import type { OnBehalfOf } from './on-behalf-of.ts'
import { roles } from './roles/built-in-roles.ts'
import type { Attributes } from './roles/condition/condition.ts'
import { grants, isConditional, isIncomplete } from './roles/grant.ts'
import { keyOf } from './ids/resource-id.ts'
import { covers } from './roles/scope-set.ts'
import { roleAllows, type RoleDefinition } from './roles/role-definition.ts'

export { roles } from './roles/built-in-roles.ts'
export { covers } from './roles/scope-set.ts'
export type { RoleDefinition } from './roles/role-definition.ts'

/** A resource that a request refers to, and what its caller must be allowed to do there. */
export interface Link {
  action: string
  id: string
}

export type Assignment = RoleAssignmentTable

/** Text that is not an id refers to nothing, which is a different mistake from a missing role. */
const isId = (text: string): boolean => /^\/subscriptions\/[^/]+\/[^/]/i.test(text)

/** As on Azure, anyone with a role in a subscription, even at one resource, may read the subscription's own record. */
export const subscriptionRead = 'Microsoft.Resources/subscriptions/read'
const subscription = /^\/subscriptions\/[^/]+$/

/** Also as on Azure, anyone who may read a group may list groups, and sees those. */
export const groupRead = 'Microsoft.Resources/subscriptions/resourceGroups/read'
const groupList = /^\/subscriptions\/[^/]+\/resourcegroups$/

/** Of a request, for the conditions of assignments. */
export interface Asked {
  /** Read only for an assignment with a condition. An attribute that is not given fits no comparison. */
  attributes?: () => Promise<Attributes[] | undefined>
  /** Ahead of the request itself: a right counts that depends on attributes of the request which are still absent. */
  ahead?: boolean
}

/** An assignment that was added, or (`gone`) is about to be removed. */
export interface AccessChange {
  scope: string
  gone?: Pick<Assignment, 'scope' | 'name'>
  asker: OnBehalfOf
}

/** Authorisation: role assignments over scopes. Default deny. */
export class Access {
  readonly #resources: ResourceStore
  readonly #clock: Clock
  readonly #groupsOf: (objectId: string) => Promise<string[]>
  readonly #listeners: ((change: AccessChange) => Promise<void>)[] = []

  /** @param groupsOf object ids of a principal's groups, currently in the directory */
  constructor(resources: ResourceStore, clock: Clock, groupsOf: (objectId: string) => Promise<string[]>) {
    this.#resources = resources
    this.#clock = clock
    this.#groupsOf = groupsOf
  }

  /**
   * For services with rights derived from these assignments. They are notified of a new one after it is written and of
   * a removal before: if they do not answer, the request fails, and no right outlives its assignment.
   */
  onChange(listener: (change: AccessChange) => Promise<void>): void {
    this.#listeners.push(listener)
  }

  async #tell(change: AccessChange): Promise<void> {
    for (const listener of this.#listeners) await listener(change)
  }

  /** @throws ServiceError 403 AuthorizationFailed */
  async require(caller: Caller, action: string, path: string, asked?: Asked): Promise<void> {
    if (await this.allows(caller.objectId, action, path, asked)) return
    throw new ServiceError({
      code: 'AuthorizationFailed',
      message:
        `The client '${caller.appId}' with object id '${caller.objectId}' does not have authorization to perform ` +
        `action '${action}' over scope '${path}' or the scope is invalid. If access was recently granted, please ` +
        'refresh your credentials.',
      expected: `a role assignment that allows ${action}`,
      remedy: 'Ask an owner of the subscription for a role at this scope.',
    })
  }

  /**
   * What a request refers to elsewhere requires a role there too: writing a VM does not give its interface away.
   * @param does what the request does to `path`, which its caller may
   * @throws ServiceError 403 LinkedAuthorizationFailed
   */
  async requireLinked(
    caller: Pick<Caller, 'objectId' | 'appId'>,
    path: string,
    links: readonly Link[],
    does: 'write' | 'change' | 'delete' = 'write',
  ): Promise<void> {
    for (const link of links) {
      if (!isId(link.id)) continue
      if (await this.allows(caller.objectId, link.action, link.id)) continue
      throw new ServiceError({
        code: 'LinkedAuthorizationFailed',
        message:
          `The client '${caller.appId}' with object id '${caller.objectId}' has permission to ${does} '${path}'; ` +
          `however, it does not have permission to perform action(s) '${link.action}' on the linked scope(s) ` +
          `'${link.id}' or the linked scope(s) are invalid.`,
        expected: `a role assignment that allows ${link.action}`,
        found: link.id,
        remedy: 'Ask an owner for a role at the linked scope.',
      })
    }
  }

  async allows(objectId: string, action: string, path: string, asked: Asked = {}): Promise<boolean> {
    const key = keyOf(path)
    if (action === subscriptionRead && subscription.test(key)) return await this.#hasAnyRoleIn(objectId, key)
    if (action === groupRead && groupList.test(key) && (await this.#hasGroupIn(objectId, key))) return true
    if ((await this.#thatAllow(await this.assignmentsOf(objectId), action, key, asked)).length > 0) return true
    // The directory is queried only if some group has the right: most installations have none.
    const groups = await this.#thatAllow(await this.#assignmentsOfGroups(), action, key, asked)
    if (groups.length === 0) return false
    const member = new Set(await this.#groupsOf(objectId))
    return groups.some((assignment) => member.has(assignment.principal_id))
  }

  async #hasAnyRoleIn(objectId: string, key: string): Promise<boolean> {
    const any = { actions: ['*'], notActions: [] }
    return (await this.heldBy(objectId)).some(
      (each) => (covers(each.scope, key) || covers(key, each.scope)) && grants(each, any, subscriptionRead) === true,
    )
  }

  async #hasGroupIn(objectId: string, list: string): Promise<boolean> {
    const scopes = await this.scopesAllowing(objectId, groupRead)
    return scopes.some((scope) => scope.startsWith(`${list}/`) && !scope.slice(list.length + 1).includes('/'))
  }

  /** Keys of the scopes at which the principal has a role that allows the action. */
  async scopesAllowing(objectId: string, action: string): Promise<string[]> {
    return (await this.#withRole(await this.heldBy(objectId), action, {})).map(({ scope }) => scope)
  }

  async #thatAllow(assignments: Assignment[], action: string, key: string, asked: Asked): Promise<Assignment[]> {
    const covering = assignments.filter(({ scope }) => covers(scope, key))
    return await this.#withRole(covering, action, asked)
  }

  async #withRole(assignments: Assignment[], action: string, asked: Asked): Promise<Assignment[]> {
    const allowing: Assignment[] = []
    for (const assignment of assignments) {
      const role = await this.role(assignment.role_id)
      if (role !== undefined && (await this.#grants(assignment, role, action, asked))) allowing.push(assignment)
    }
    return allowing
  }

  async #grants(assignment: Assignment, role: RoleDefinition, action: string, asked: Asked): Promise<boolean> {
    const decides = isConditional(assignment) && roleAllows(role, action)
    const requests = decides ? await asked.attributes?.() : undefined
    const granted = grants(assignment, role, action, requests)
    if (granted !== undefined) return granted
    return asked.ahead === true && requests?.some(isIncomplete) === true
  }

  async #assignmentsOfGroups(): Promise<Assignment[]> {
    const query = this.#resources.db.selectFrom('role_assignment').selectAll()
    return await query.where('principal_type', '=', 'Group').execute()
  }

  /** Granted to a principal or to one of its groups. */
  async heldBy(objectId: string): Promise<Assignment[]> {
    const [own, groups] = [await this.assignmentsOf(objectId), await this.#assignmentsOfGroups()]
    if (groups.length === 0) return own
    const member = new Set(await this.#groupsOf(objectId))
    return [...own, ...groups.filter((assignment) => member.has(assignment.principal_id))]
  }

  /** The principal and all its groups. */
  async identitiesOf(objectId: string): Promise<string[]> {
    return [objectId.toLowerCase(), ...(await this.#groupsOf(objectId))]
  }

  /** A built-in role, or one of the installation's own. */
  async role(id: string): Promise<RoleDefinition | undefined> {
    const wanted = id.toLowerCase()
    const builtIn = roles.find((role) => role.id === wanted)
    if (builtIn !== undefined) return builtIn
    const query = this.#resources.db.selectFrom('role_definition').selectAll().where('id', '=', wanted)
    const row = await query.executeTakeFirst()
    return row === undefined ? undefined : toRole(row)
  }

  async customRoles(): Promise<RoleDefinition[]> {
    const rows = await this.#resources.db.selectFrom('role_definition').selectAll().orderBy('role_name').execute()
    return rows.map(toRole)
  }

  /**
   * @param before the role as it was when the caller's right to change it was checked
   * @throws ServiceError RoleDefinitionWithSameNameExists; Conflict if another request changed the role since
   */
  async putRole(asker: OnBehalfOf, role: RoleDefinition, before: RoleDefinition | undefined): Promise<void> {
    const all = [...roles, ...(await this.customRoles())]
    const clash = all.find((each) => each.id !== role.id && each.name.toLowerCase() === role.name.toLowerCase())
    if (clash !== undefined) {
      throw new ServiceError({
        code: 'RoleDefinitionWithSameNameExists',
        message: `A custom role with the same name already exists in this directory. Use a different name.`,
        target: 'properties.roleName',
        found: clash.name,
        remedy: 'Use another name.',
      })
    }
    const now = this.#clock.now().toISOString()
    const { id, name, description, actions, notActions, dataActions, notDataActions, assignableScopes } = role
    const row = {
      role_name: name,
      description,
      permissions: JSON.stringify({ actions, notActions, dataActions, notDataActions }),
      assignable_scopes: JSON.stringify(assignableScopes ?? []),
      updated_at: now,
    }
    await this.#resources.transaction(async (tx) => {
      const query = tx.selectFrom('role_definition').selectAll().where('id', '=', id)
      const current = await this.#resources.forUpdate(query).executeTakeFirst()
      if (!isDeepStrictEqual(current && toRole(current), before)) throw roleChanged(role)
      if (current !== undefined) {
        await tx.updateTable('role_definition').set(row).where('id', '=', id).execute()
        return
      }
      const insert = tx.insertInto('role_definition').values({ id, created_at: now, ...row })
      if (!(await insertIfAbsent(insert))) throw roleChanged(role)
    })
    // Holders of the role have other rights from now on, wherever assigned.
    await this.#tell({ scope: '/', asker })
  }

  /** @throws ServiceError RoleDefinitionHasAssignments */
  async removeRole(id: string): Promise<void> {
    const query = this.#resources.db.selectFrom('role_assignment').select('name').where('role_id', '=', id)
    const used = await query.executeTakeFirst()
    if (used !== undefined) {
      throw new ServiceError({
        code: 'RoleDefinitionHasAssignments',
        status: 400,
        message: 'There are existing role assignments referencing role (code: RoleDefinitionHasAssignments).',
        found: used.name,
        remedy: 'Delete the assignments of the role first.',
      })
    }
    await this.#resources.db.deleteFrom('role_definition').where('id', '=', id).execute()
  }

  async assignmentsOf(objectId: string): Promise<Assignment[]> {
    return await this.#resources.db
      .selectFrom('role_assignment')
      .selectAll()
      .where('principal_id', '=', objectId.toLowerCase())
      .execute()
  }

  async list(): Promise<Assignment[]> {
    return await this.#resources.db.selectFrom('role_assignment').selectAll().orderBy('created_at').execute()
  }

  async find(scope: string, name: string): Promise<Assignment | undefined> {
    return await this.#resources.db
      .selectFrom('role_assignment')
      .selectAll()
      .where('scope', '=', keyOf(scope) || '/')
      .where('name', '=', name.toLowerCase())
      .executeTakeFirst()
  }

  /**
   * The current assignment, and whether it is new. The same role of the same principal exists once per scope; only its
   * condition and description can be changed.
   */
  async assign(o: {
    scope: string
    name: string
    principalId: string
    principalType: string
    roleId: string
    condition?: string | undefined
    description?: string | undefined
    by: string
    asker: OnBehalfOf
  }): Promise<{ assignment: Assignment; created: boolean }> {
    const row: Assignment = {
      scope: keyOf(o.scope) || '/',
      name: o.name.toLowerCase(),
      display_scope: o.scope,
      principal_id: o.principalId.toLowerCase(),
      principal_type: o.principalType,
      role_id: o.roleId,
      created_at: this.#clock.now().toISOString(),
      created_by: o.by,
      condition: o.condition ?? null,
      description: o.description ?? null,
    }
    if (await insertIfAbsent(this.#resources.db.insertInto('role_assignment').values(row))) {
      await this.#tell({ scope: row.scope, asker: o.asker })
      return { assignment: row, created: true }
    }
    const same = (await this.assignmentsOf(o.principalId)).find(
      (a) => a.scope === row.scope && a.role_id === row.role_id,
    )
    if (same !== undefined && same.name === row.name) {
      const { condition, description } = row
      await this.#resources.db
        .updateTable('role_assignment')
        .set({ condition, description })
        .where('scope', '=', row.scope)
        .where('name', '=', row.name)
        .where('principal_id', '=', row.principal_id)
        .where('role_id', '=', row.role_id)
        .execute()
      await this.#tell({ scope: row.scope, asker: o.asker })
      return { assignment: { ...same, condition, description }, created: false }
    }
    throw new ServiceError({
      code: same === undefined ? 'RoleAssignmentUpdateNotPermitted' : 'RoleAssignmentExists',
      message:
        same === undefined
          ? 'Tenant ID, application ID, principal ID, and scope are not allowed to be updated.'
          : `The role assignment already exists. The ID of the existing role assignment is ${same.name}.`,
      remedy: same === undefined ? 'Use a new name (a GUID).' : 'Use the existing assignment.',
    })
  }

  async remove(asker: OnBehalfOf, scope: string, name: string): Promise<void> {
    const gone = { scope: keyOf(scope) || '/', name: name.toLowerCase() }
    await this.#tell({ scope: gone.scope, gone, asker })
    await this.#resources.db
      .deleteFrom('role_assignment')
      .where('scope', '=', gone.scope)
      .where('name', '=', gone.name)
      .execute()
  }
}

const roleChanged = ({ name }: RoleDefinition): ServiceError =>
  new ServiceError({
    code: 'Conflict',
    message: `The role '${name}' was changed by another request.`,
    remedy: 'Repeat the request.',
  })

export function toRole(row: RoleDefinitionTable): RoleDefinition {
  const rights = JSON.parse(row.permissions) as Pick<
    RoleDefinition,
    'actions' | 'notActions' | 'dataActions' | 'notDataActions'
  >
  const assignableScopes = JSON.parse(row.assignable_scopes) as string[]
  return { id: row.id, name: row.role_name, description: row.description, ...rights, assignableScopes }
}
