import { ok, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import { resourceView, type Shown } from '../../arm/resource-view.ts'
import type { Plane } from '../../types/plane.ts'
import type { Resource } from '../../store/resources.ts'
import { makeResource, readPut } from '../../types/creation.ts'
import { userIdentityType } from '../../types/references.ts'
import { members, only } from '../../types/members.ts'
import type { ResourceType } from '../../types/resource-type.ts'
import { retag } from '../../types/retag.ts'

const name = {
  form: /^[A-Za-z0-9][A-Za-z0-9_-]{2,127}$/,
  expected: '3 to 128 letters, digits, _ and -, beginning with a letter or digit',
}

const view = (identity: Shown): Record<string, unknown> => resourceView(identity, userIdentityType)

/** Identities as separate resources: their principal is in the directory for as long as they exist. */
export const userIdentities: ResourceType = {
  spelling: userIdentityType,
  members: members({}, { tenantId: 'shown', principalId: 'shown', clientId: 'shown', isolationScope: only('None') }),
  name,
  create,
  change: async (plane, request, existing) => ok(view(await retag(plane, request, existing))),
  // The principal is removed before the resource: its roles belong to nobody.
  forget: async (plane, _asker, { id }) => await plane.identities.remove(id),
}

async function create(plane: Plane, request: ArmRequest, group: Resource): Promise<ArmReply> {
  const displayName = request.params['name'] ?? ''
  const { fields, location, tags } = readPut(request, group.location)
  fields.assertSound()
  const made = await makeResource(plane, request, 'identity', async (tx) => {
    // A new identity inherits nothing from an earlier one of its name.
    await plane.identities.remove(request.path)
    const principal = await plane.identities.ensure({ resourceId: request.path, displayName })
    const properties = { tenantId: plane.tenantId, principalId: principal.principalId, clientId: principal.clientId }
    const body = { properties, tags: tags ?? {} }
    return await plane.resources.insert(tx, { id: request.path, location, body })
  })
  return { status: 201, body: view(made) }
}
