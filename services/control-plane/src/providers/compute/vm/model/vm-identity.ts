import type { Link } from '../../../../arm/access.ts'
import type { Fields, Problem } from '../../../../arm/fields.ts'
import { keyOf } from '../../../../arm/ids/resource-id.ts'
import { findUserIdentity, mostIdentities, userIdentityType, type UserIdentity } from '../../../../types/references.ts'
import type { Plane } from '../../../../types/plane.ts'
import type { Vm, VmInternal, VmModel } from './vm-model.ts'

/** A VM's identities in the directory: its own, and by ARM id the others that it may act as. */
export interface IdentityRequest {
  system: boolean
  userIds: string[]
  /** Those that the request itself names: the others are unchanged. */
  named: string[]
}

const types = ['None', 'SystemAssigned', 'UserAssigned', 'SystemAssigned, UserAssigned'] as const

/**
 * `identity` of a PUT or PATCH merged over the VM's. A PUT names all identities; a PATCH adds those it names and
 * removes those that are null, as in Azure.
 */
export function readIdentity(root: Fields, o: { existing?: VmModel; merge: boolean }): IdentityRequest {
  const before: IdentityRequest = {
    system: o.existing?.systemAssigned ?? false,
    userIds: (o.existing?.userAssigned ?? []).map(({ id }) => id),
    named: [],
  }
  const identity = root.object('identity')
  if (!identity.present) return before
  const given = identity.members('userAssignedIdentities', mostIdentities)
  const text = identity.text('type')?.replaceAll(/\s/g, '').replace(',', ', ')
  const type = types.find((each) => each.toLowerCase() === text?.toLowerCase())
  if (text === undefined && given === undefined) return before
  if (text !== undefined && type === undefined) {
    identity.problem({
      code: 'InvalidIdentityType',
      message: `The identity type '${text.slice(0, 60)}' is not valid.`,
      target: identity.at('type'),
      expected: types.join('; '),
      found: text.slice(0, 60),
    })
    return before
  }
  const system = type === undefined ? before.system : type.startsWith('SystemAssigned')
  const target = identity.at('userAssignedIdentities')
  const named = (given ?? []).flatMap(([id, member]) => (member === null ? [] : [id]))
  if (type !== undefined && !type.includes('UserAssigned')) {
    if (named.length > 0)
      identity.problem({
        code: 'InvalidIdentityIds',
        message: `The identity ids must be null or empty for '${type}' identity type.`,
        target,
        expected: 'no identities',
        found: `${named.length} identities`,
        remedy: "Use 'UserAssigned' or 'SystemAssigned, UserAssigned'.",
      })
    return { system, userIds: [], named: [] }
  }
  const gone = new Set((given ?? []).flatMap(([id, member]) => (member === null ? [keyOf(id)] : [])))
  const kept = given === undefined || o.merge ? before.userIds.filter((id) => !gone.has(keyOf(id))) : []
  const userIds = [...new Map([...kept, ...named].map((id) => [keyOf(id), id])).values()]
  if (type !== undefined && userIds.length === 0)
    identity.problem({
      code: 'MissingIdentityIds',
      message: `The identity ids must not be null or empty for '${type}' identity type.`,
      target,
      expected: 'the ARM id of an identity',
      found: 'none',
      remedy: 'List an identity, or use another type.',
    })
  return { system, userIds, named }
}

const assigning = (id: string): Link => ({ id, action: `${userIdentityType}/assign/action` })

/** Rights to assign identities that are new to the VM, whether or not they exist. */
export function identityLinks(wanted: IdentityRequest, existing: VmModel | undefined): Link[] {
  const held = new Set((existing?.userAssigned ?? []).map(({ id }) => keyOf(id)))
  return wanted.named.filter((id) => !held.has(keyOf(id))).map(assigning)
}

/**
 * The identities behind the ids, and the rights needed to assign recreated ones. An assigned one stays even if deleted since,
 * as on Azure: it yields no tokens. One recreated under a deleted one's name is another, and must be assigned again.
 */
export async function resolveIdentities(
  plane: Plane,
  wanted: IdentityRequest,
  existing: VmModel | undefined,
): Promise<{ identities: UserIdentity[]; problems: Problem[]; links: Link[] }> {
  const held = new Map((existing?.userAssigned ?? []).map((each) => [keyOf(each.id), each]))
  const identities: UserIdentity[] = []
  const problems: Problem[] = []
  const links: Link[] = []
  const named = new Set(wanted.named.map(keyOf))
  for (const id of wanted.userIds) {
    const before = held.get(keyOf(id))
    const now = named.has(keyOf(id)) ? await findUserIdentity(plane, id) : undefined
    if (now === undefined && before === undefined) problems.push(unknown(id))
    if (before !== undefined && now !== undefined && now.clientId !== before.clientId) links.push(assigning(id))
    const chosen = now ?? before
    if (chosen !== undefined) identities.push(chosen)
  }
  return { identities, problems, links }
}

const unknown = (id: string): Problem => ({
  code: 'FailedIdentityOperation',
  message:
    "Identity operation for resource failed with error 'Failed to perform resource identity operation. Status: " +
    `'BadRequest'. Response: 'Resource '${id.slice(0, 300)}' was not found.'.`,
  target: 'identity.userAssignedIdentities',
  expected: `the id of a resource of type ${userIdentityType}`,
  found: id.slice(0, 300),
  remedy: 'Create the identity first: az identity create.',
})

/**
 * Updates the VM's identities in the directory: added before the VM shows them, and removed before the VM stops showing
 * them.
 * @param anew an identity of an earlier VM with this name is not this one's
 */
export async function applyIdentities(
  plane: Plane,
  vm: Vm,
  model: VmModel,
  o: { anew?: boolean } = {},
): Promise<VmInternal['identity']> {
  const clientIds = (model.userAssigned ?? []).map(({ clientId }) => clientId)
  if (clientIds.length > 0 || (vm.internal.model.userAssigned ?? []).length > 0)
    await plane.identities.assign(vm.id, clientIds)
  const { identity } = vm.internal
  if (model.systemAssigned !== true) {
    if (identity !== undefined) await plane.identities.remove(vm.id)
    return undefined
  }
  if (o.anew === true && identity === undefined) await plane.identities.remove(vm.id)
  const { principalId, tenantId } = await plane.identities.ensure({ resourceId: vm.id, displayName: vm.name })
  return { principalId, tenantId }
}

/** Removes the VM's own identity from the directory; user-assigned identities stay. */
export async function removeIdentities(plane: Plane, vm: Vm): Promise<void> {
  const { model } = vm.internal
  if ((model.userAssigned ?? []).length > 0) await plane.identities.assign(vm.id, [])
  if (model.systemAssigned === true) await plane.identities.remove(vm.id)
}
