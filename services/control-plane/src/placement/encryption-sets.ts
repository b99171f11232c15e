import { isDeepStrictEqual } from 'node:util'
import { noSuch, notAllowed } from '../arm/refusals.ts'
import { route } from '../arm/router.ts'
import { keyOf, parseResourceId } from '../arm/ids/resource-id.ts'
import { onBehalfOf } from '../arm/on-behalf-of.ts'
import { Fields, refuse } from '../arm/fields.ts'
import { asyncHeaders } from '../arm/operations.ts'
import { ok, type ArmReply, type ArmRequest } from '../arm/request.ts'
import { locationKey, requireLocation } from '../arm/regions.ts'
import { diskIdOf } from '../providers/compute/vm/model/vm-model.ts'
import { findUserIdentity, userIdentityType } from '../types/references.ts'
import { groupPath, type Plane } from '../types/plane.ts'
import { makeResource } from '../types/creation.ts'
import { computeName } from '../types/name-form.ts'
import { identities, members } from '../types/members.ts'
import type { ResourceType } from '../types/resource-type.ts'
import { placeKey, type KeyPlace } from '../providers/encryption/set-key.ts'
import {
  setBody,
  setState,
  setType,
  setView,
  type DiskEncryptionSet,
  type SetInternal,
  keyUser,
} from '../providers/encryption/set-model.ts'
import { readSetRequest, type SetRequest } from '../providers/encryption/set-request.ts'
import { changeKey, rewrapSaga, rotateSaga, vmsOf } from './set-rotation.ts'

/** Disk-encryption sets: customers' keys for the guest states of confidential VMs. */
export const diskEncryptionSets: ResourceType<SetInternal> = {
  spelling: setType,
  members: members(
    { location: 'honoured', identity: identities },
    {
      activeKey: { keyUrl: 'honoured', sourceVault: { id: 'honoured' } },
      encryptionType: 'honoured',
      rotationToLatestKeyVersionEnabled: 'honoured',
      federatedClientId: 'honoured',
      previousKeys: 'shown',
      lastKeyRotationTimestamp: 'shown',
      autoKeyRotationError: 'shown',
    },
  ),
  name: computeName,
  refersTo: [userIdentityType, 'Microsoft.KeyVault/vaults', 'Microsoft.KeyVault/managedHSMs'],
  create: async (plane, request, group) => await create(plane, request, group.location),
  change: update,
  routes: (plane) => [
    route.get(`${groupPath}/providers/${setType}/{name}/associatedResources`, `${setType}/read`, async (request) => {
      const set = await plane.resources.get<SetInternal>(request.path.replace(/\/associatedResources$/i, ''))
      const vms = await vmsOf(plane, set.id)
      return ok({ value: vms.map((vm) => diskIdOf(vm.id, vm.internal.model.osDisk.name)) })
    }),
  ],
  assertUnused: async (plane, tx, set) => assertNoVms(set, await vmsOf(plane, set.id, tx)),
  // Its principal's rights end with it.
  forgetsHeld: true,
  forget: async (plane, _asker, { id }) => await plane.identities.remove(id),
  define: (plane) => {
    plane.runner.define(rewrapSaga(plane))
    plane.outer.define(rotateSaga(plane))
  },
}

/** @throws ServiceError OperationNotAllowed where VMs are under its keys */
function assertNoVms(set: DiskEncryptionSet, vms: { id: string; name: string }[]): void {
  if (vms.length === 0) return
  throw notAllowed(
    `Disk encryption set '${set.name}' cannot be deleted: ${vms.length} ` +
      `${vms.length === 1 ? 'resource is' : 'resources are'} encrypted with its keys.`,
    {
      target: set.id,
      details: vms.slice(0, 20).map((vm) => ({ code: 'InUse', message: vm.id, target: vm.id })),
      expected: 'no virtual machine with this set',
      found: vms
        .map((vm) => vm.name)
        .join(', ')
        .slice(0, 200),
      remedy: 'Delete the virtual machines first.',
    },
  )
}

async function create(plane: Plane, request: ArmRequest, groupLocation: string): Promise<ArmReply> {
  const name = request.params['name'] ?? ''
  const fields = new Fields(request.body)
  const location = requireLocation(fields, fields.text('location') ?? groupLocation)
  const read = readSetRequest(fields, { creating: true })
  fields.assertSound()
  const { activeKey } = read
  if (activeKey === undefined) throw new TypeError('a request without a key is a problem')
  const user = await userIdentity(plane, request, read)
  const placed = await placeOf(plane, request, read, location)
  const id = request.path
  const probe = (internal: SetInternal) => ({
    set: keyUser({ id, name, internal }),
    keyUrl: placed.key.keyUrl,
    asker: onBehalfOf(request),
  })
  const draft: SetInternal = { activeKey: placed.key, previousKeys: [], identity: { ...(user && { user }) } }
  // An identity created with the set cannot have a right to the key yet: the key is judged when a VM names the set.
  if (read.identity?.system !== true) await plane.customerKeys.check(probe(draft))
  const made = await makeResource(plane, request, 'disk encryption set', async (tx) => {
    await setSystemIdentity(plane, { id, name }, draft, read.identity?.system === true, { anew: true })
    return await plane.resources.insert(tx, {
      id,
      location,
      body: setBody(draft, 'Succeeded', read.tags),
      internal: draft,
    })
  })
  // Clients accept 200 and 202 for a set, never 201.
  return ok(setView(made))
}

async function update(plane: Plane, request: ArmRequest, existing: DiskEncryptionSet): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const location = fields.text('location')
  const read = readSetRequest(fields, { creating: false })
  if (location !== undefined && locationKey(location) !== existing.location)
    fields.unchangeable('location', {
      expected: existing.location,
      found: location.slice(0, 60),
      remedy: 'Create a new disk encryption set.',
    })
  fields.assertSound()
  const user = await userIdentity(plane, request, read)
  // Clients send the whole set back: its existing key is not judged again.
  const { keyUrl, sourceVault } = existing.internal.activeKey
  const sameVault =
    read.activeKey?.sourceVault === undefined || keyOf(read.activeKey.sourceVault) === keyOf(sourceVault ?? '')
  const settled = setState(existing) === 'Succeeded' && read.activeKey?.keyUrl === keyUrl && sameVault
  const placed =
    read.activeKey === undefined || settled ? undefined : await placeOf(plane, request, read, existing.location)
  const set = await changeIdentityAndTags(plane, existing, read, user)
  if (placed === undefined) return ok(setView(set))
  const { set: changed, operation } = await changeKey(plane, onBehalfOf(request), set, placed.key)
  if (operation === undefined) return ok(setView(changed))
  const where = { subscriptionId: plane.subscriptionId, location: changed.location, operationId: operation.id }
  // The result is the set itself, for PATCH as for PUT: clients read it from the URL they changed.
  const { location: _none, ...headers } = asyncHeaders(request, where)
  return { status: 202, body: setView(changed), headers }
}

async function changeIdentityAndTags(
  plane: Plane,
  existing: DiskEncryptionSet,
  read: SetRequest,
  user: SetInternal['identity']['user'],
): Promise<DiskEncryptionSet> {
  const { tags, identity } = read
  if (tags === undefined && identity === undefined) return existing
  return await plane.resources.transaction(async (tx) => {
    const set = await plane.resources.lock<SetInternal>(tx, existing.id)
    if (set === undefined) return await plane.resources.get<SetInternal>(existing.id, tx)
    const internal = structuredClone(set.internal)
    if (identity !== undefined) {
      delete internal.identity.user
      if (user !== undefined) internal.identity.user = user
      await setSystemIdentity(plane, set, internal, identity.system, { anew: false })
    }
    const same =
      isDeepStrictEqual(internal, set.internal) && (tags === undefined || isDeepStrictEqual(tags, set.body.tags))
    if (same) return set
    const changed = await plane.resources.change<SetInternal>(tx, set.id, (current) => {
      current.internal = internal
      current.body = setBody(internal, setState(current), tags ?? current.body.tags)
    })
    return changed ?? set
  })
}

/** @param o.anew an earlier identity with this id is not this one's */
async function setSystemIdentity(
  plane: Plane,
  set: { id: string; name: string },
  internal: SetInternal,
  wanted: boolean,
  o: { anew: boolean },
): Promise<void> {
  if (o.anew || !wanted) await plane.identities.remove(set.id)
  delete internal.identity.system
  if (!wanted) return
  const { principalId, tenantId } = await plane.identities.ensure({ resourceId: set.id, displayName: set.name })
  internal.identity.system = { principalId, tenantId }
}

/** Naming a vault or an identity requires the right to use it. @throws ServiceError with every problem of the key's location */
async function placeOf(plane: Plane, request: ArmRequest, read: SetRequest, location: string): Promise<KeyPlace> {
  const key = read.activeKey
  if (key === undefined) throw new TypeError('a request without a key has no place')
  const { caller, path } = request
  if (key.sourceVault !== undefined) {
    const action = `${parseResourceId(key.sourceVault)?.type ?? 'Microsoft.KeyVault/vaults'}/read`
    await plane.access.requireLinked(caller, path, [{ id: key.sourceVault, action }])
  }
  // A key's URL names its vault too: one that the caller may not see is not found.
  const mayRead = async (id: string, type: string): Promise<boolean> =>
    await plane.access.allows(caller.objectId, `${type}/read`, id)
  const placed = await placeKey(plane, key, location, mayRead)
  if ('problems' in placed) throw refuse(placed.problems)
  return placed
}

async function userIdentity(
  plane: Plane,
  request: ArmRequest,
  read: SetRequest,
): Promise<SetInternal['identity']['user']> {
  const id = read.identity?.userIds[0]
  if (id === undefined) return undefined
  const action = `${userIdentityType}/assign/action`
  await plane.access.requireLinked(request.caller, request.path, [{ id, action }])
  const found = await findUserIdentity(plane, id)
  if (found === undefined) {
    const [target, remedy] = ['identity.userAssignedIdentities', 'Create the identity first: az identity create.']
    throw refuse([noSuch('identity', id, { target, type: userIdentityType, remedy })])
  }
  return found
}
