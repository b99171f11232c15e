import { scopeOf } from '../hsm/local-roles.ts'
import type { RoleAssignment } from '../hsm/repository.ts'
import type { RoleDefinition } from '../hsm/roles.ts'
import type { App, Request } from './admission.ts'
import { admitHsmChange, admitToHsm, type HsmAppParts } from './hsm-admission.ts'

const provider = '/providers/Microsoft.Authorization'
const definitionPrefix = `Microsoft.KeyVault${provider}/roleDefinitions`

type Params = { name?: string; id: string }

interface Place {
  hsm: string
  scope: string
  id: string
}

/** Local roles of a managed HSM: for itself, its keys, or one key. */
export function addHsmRoleRoutes(app: App, parts: HsmAppParts): void {
  const { roles } = parts
  for (const scope of ['', '/keys', '/keys/:name']) {
    const definitions = `${scope}${provider}/roleDefinitions`
    const assignments = `${scope}${provider}/roleAssignments`
    const placeOf = (request: Request): Omit<Place, 'hsm'> => {
      const params = request.params as Params
      return { scope: scopeOf(params, request.url), id: params.id }
    }
    const admitted = async (request: Request, action: string): Promise<Place> => {
      const at = placeOf(request)
      const { name } = await admitToHsm(parts, request, { action, scope: at.scope })
      return { ...at, hsm: name }
    }
    const changed = <T>(request: Request, action: string, work: (at: Place) => Promise<T>): Promise<T> => {
      const at = placeOf(request)
      // A definition applies wherever it is assigned, so a caller who may change it at one key only may not change it.
      const scope = action.startsWith('roleDefinitions/') ? '/' : at.scope
      return admitHsmChange(parts, request, { action, scope }, ({ name }) => work({ ...at, hsm: name }))
    }

    app.get(definitions, async (request) => {
      const { hsm } = await admitted(request, 'roleDefinitions/read/action')
      return { value: (await roles.definitions(hsm)).map(definitionView) }
    })
    app.get(`${definitions}/:id`, async (request) => {
      const { hsm, id } = await admitted(request, 'roleDefinitions/read/action')
      return definitionView(await roles.definition(hsm, id))
    })
    app.put(`${definitions}/:id`, async (request, reply) => {
      const made = await changed(request, 'roleDefinitions/write/action', ({ hsm, id }) =>
        roles.putDefinition(request.caller, hsm, id, request.body),
      )
      return reply.code(201).send(definitionView(made))
    })
    app.delete(`${definitions}/:id`, async (request) => {
      const removed = await changed(request, 'roleDefinitions/delete/action', ({ hsm, id }) =>
        roles.removeDefinition(request.caller, hsm, id),
      )
      return definitionView(removed)
    })

    app.get(assignments, async (request) => {
      const { hsm, scope: at } = await admitted(request, 'roleAssignments/read/action')
      const principal = principalOf(request.query)
      const found = await roles.assignments(hsm, at)
      return {
        value: found.filter((each) => principal === undefined || each.principalId === principal).map(assignmentView),
      }
    })
    app.get(`${assignments}/:id`, async (request) => {
      const { hsm, scope: at, id } = await admitted(request, 'roleAssignments/read/action')
      return assignmentView(await roles.assignment(hsm, at, id))
    })
    app.put(`${assignments}/:id`, async (request, reply) => {
      const made = await changed(request, 'roleAssignments/write/action', ({ hsm, ...at }) =>
        roles.assign(request.caller, hsm, { ...at, body: request.body }),
      )
      return reply.code(201).send(assignmentView(made))
    })
    app.delete(`${assignments}/:id`, async (request) => {
      const removed = await changed(request, 'roleAssignments/delete/action', ({ hsm, scope: at, id }) =>
        roles.unassign(request.caller, hsm, at, id),
      )
      return assignmentView(removed)
    })
  }
}

/** `$filter=principalId eq '…'`; other filters repeat the path. */
function principalOf(query: unknown): string | undefined {
  const filter = (query as Record<string, unknown> | null)?.['$filter']
  return typeof filter === 'string' ? /principalId eq '([0-9a-fA-F-]{36})'/.exec(filter)?.[1]?.toLowerCase() : undefined
}

function definitionView(definition: RoleDefinition): object {
  const { id, roleName, description, type, dataActions, notDataActions } = definition
  return {
    id: `${definitionPrefix}/${id}`,
    name: id,
    type: 'Microsoft.Authorization/roleDefinitions',
    properties: {
      roleName,
      description,
      type,
      assignableScopes: ['/'],
      permissions: [{ actions: [], notActions: [], dataActions, notDataActions }],
    },
  }
}

function assignmentView({ id, scope, roleId, principalId }: RoleAssignment): object {
  return {
    id: `${scope === '/' ? '' : scope}${provider}/roleAssignments/${id}`,
    name: id,
    type: 'Microsoft.Authorization/roleAssignments',
    properties: { scope, roleDefinitionId: `${definitionPrefix}/${roleId}`, principalId },
  }
}
