import { ServiceError, type Caller, type Clock } from '@strongroom/platform'
import type { ResourceStore } from '../store/resources.ts'
import { keyOf } from './resource-id.ts'

export interface RoleDefinition {
  id: string
  name: string
  description: string
  actions: string[]
  notActions: string[]
}

/** Azure's built-in roles, with Azure's ids. */
export const roles: RoleDefinition[] = [
  {
    id: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635',
    name: 'Owner',
    description: 'Grants full access to manage all resources, including the ability to assign roles in Azure RBAC.',
    actions: ['*'],
    notActions: [],
  },
  {
    id: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
    name: 'Contributor',
    description:
      'Grants full access to manage all resources, but does not allow you to assign roles in Azure RBAC, manage assignments in Azure Blueprints, or share image galleries.',
    actions: ['*'],
    notActions: [
      'Microsoft.Authorization/*/Delete',
      'Microsoft.Authorization/*/Write',
      'Microsoft.Authorization/elevateAccess/Action',
    ],
  },
  {
    id: 'acdd72a7-3385-48ef-bd42-f606fba81ae7',
    name: 'Reader',
    description: 'View all resources, but does not allow you to make any changes.',
    actions: ['*/read'],
    notActions: [],
  },
  {
    id: 'bbf86eb8-f7b4-4cce-96e4-18cddf81d86e',
    name: 'Attestation Contributor',
    description: 'Can read write or delete the attestation provider instance',
    actions: [
      'Microsoft.Attestation/attestationProviders/attestation/read',
      'Microsoft.Attestation/attestationProviders/attestation/write',
      'Microsoft.Attestation/attestationProviders/attestation/delete',
    ],
    notActions: [],
  },
  {
    id: 'fd1bd22b-8476-40bc-a0bc-69b95687b9f3',
    name: 'Attestation Reader',
    description: 'Can read the attestation provider properties',
    actions: [
      'Microsoft.Attestation/attestationProviders/attestation/read',
      'Microsoft.Attestation/attestationProviders/read',
    ],
    notActions: [],
  },
]

/** A resource that a request refers to, and what its caller must be allowed to do there. */
export interface Link {
  action: string
  id: string
}

export interface Assignment {
  scope: string
  name: string
  display_scope: string
  principal_id: string
  principal_type: string
  role_id: string
  created_at: string
  created_by: string
}

const patterns = new Map<string, RegExp>()

function fits(pattern: string, action: string): boolean {
  let expression = patterns.get(pattern)
  if (expression === undefined) {
    const escaped = pattern.replaceAll(/[.+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll('*', '.*')
    expression = new RegExp(`^${escaped}$`, 'i')
    patterns.set(pattern, expression)
  }
  return expression.test(action)
}

export const roleAllows = (role: RoleDefinition, action: string): boolean =>
  role.actions.some((pattern) => fits(pattern, action)) && !role.notActions.some((pattern) => fits(pattern, action))

/** Text that is no id refers to nothing, which is another mistake than a missing role. */
const isId = (text: string): boolean => /^\/subscriptions\/[^/]+\/[^/]/i.test(text)

/** Whether an assignment at `scope` reaches `path`: the same, or above it at a segment's border. */
export const covers = (scope: string, path: string): boolean =>
  scope === '/' || path === scope || path.startsWith(`${scope}/`)

/** Who may do what: role assignments over scopes. Nothing is allowed that no assignment allows. */
export class Access {
  readonly #resources: ResourceStore
  readonly #clock: Clock

  constructor(resources: ResourceStore, clock: Clock) {
    this.#resources = resources
    this.#clock = clock
  }

  /** @throws ServiceError 403 AuthorizationFailed */
  async require(caller: Caller, action: string, path: string): Promise<void> {
    if (await this.allows(caller.objectId, action, path)) return
    throw new ServiceError({
      code: 'AuthorizationFailed',
      status: 403,
      message: `The client '${caller.appId}' with object id '${caller.objectId}' does not have authorization to perform action '${action}' over scope '${path}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
      expected: `a role assignment that allows ${action}`,
      remedy: 'Ask an owner of the subscription for a role at this scope.',
    })
  }

  /**
   * What a request refers to elsewhere needs a role there too: writing a VM does not give its interface away.
   * @throws ServiceError 403 LinkedAuthorizationFailed
   */
  async requireLinked(caller: Caller, path: string, links: Link[]): Promise<void> {
    for (const link of links) {
      if (!isId(link.id)) continue
      if (await this.allows(caller.objectId, link.action, link.id)) continue
      throw new ServiceError({
        code: 'LinkedAuthorizationFailed',
        status: 403,
        message: `The client '${caller.appId}' with object id '${caller.objectId}' has permission to write '${path}'; however, it does not have permission to perform action(s) '${link.action}' on the linked scope(s) '${link.id}' or the linked scope(s) are invalid.`,
        expected: `a role assignment that allows ${link.action}`,
        found: link.id,
        remedy: 'Ask an owner for a role at the linked scope.',
      })
    }
  }

  async allows(objectId: string, action: string, path: string): Promise<boolean> {
    const key = keyOf(path)
    return (await this.assignmentsOf(objectId)).some((assignment) => {
      const role = roles.find((candidate) => candidate.id === assignment.role_id)
      return role !== undefined && covers(assignment.scope, key) && roleAllows(role, action)
    })
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

  /** The assignment as it stands, and whether it is new. The same role of the same principal exists once per scope. */
  async assign(o: {
    scope: string
    name: string
    principalId: string
    principalType: string
    roleId: string
    by: string
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
    }
    const written = await this.#resources.db
      .insertInto('role_assignment')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    if (Number(written.numInsertedOrUpdatedRows ?? 0) === 1) return { assignment: row, created: true }
    const same = (await this.assignmentsOf(o.principalId)).find(
      (a) => a.scope === row.scope && a.role_id === row.role_id,
    )
    if (same !== undefined && same.name === row.name) return { assignment: same, created: false }
    throw new ServiceError({
      code: same === undefined ? 'RoleAssignmentUpdateNotPermitted' : 'RoleAssignmentExists',
      status: 409,
      message:
        same === undefined
          ? 'Tenant ID, application ID, principal ID, and scope are not allowed to be updated.'
          : `The role assignment already exists. The ID of the existing role assignment is ${same.name}.`,
      remedy: same === undefined ? 'Use a new name (a GUID).' : 'Use the existing assignment.',
    })
  }

  async remove(scope: string, name: string): Promise<void> {
    await this.#resources.db
      .deleteFrom('role_assignment')
      .where('scope', '=', keyOf(scope) || '/')
      .where('name', '=', name.toLowerCase())
      .execute()
  }
}
