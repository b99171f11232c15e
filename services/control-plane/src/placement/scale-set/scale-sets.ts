import { ServiceError } from '@strongroom/platform'
import { notAllowed, unchangeable } from '../../arm/refusals.ts'
import { Fields, refuse, type Problem } from '../../arm/fields.ts'
import { asyncHeaders } from '../../arm/operations.ts'
import { ok, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import type { Plane } from '../../types/plane.ts'
import { assertSameLocation } from '../../types/conflicts.ts'
import type { ResourceType } from '../../types/resource-type.ts'
import { requireAlong, type Along } from '../../types/along.ts'
import { vmType } from '../../providers/compute/vm/model/vm-model.ts'
import { alongVm } from '../vm/vm-along.ts'
import { leaving } from './scaling.ts'
import { setType } from '../../providers/compute/disk/stored/stored-disk.ts'
import {
  scaleSetType,
  type ScaleSet,
  type ScaleSetInternal,
} from '../../providers/compute/scale-set/scale-set-model.ts'
import { judgeProfile } from './judge-profile.ts'
import { alongSet, assertNoInstances, removalSaga, removeSet } from './removal-saga.ts'
import { actionRoutes, actionSaga, setActions, virtualMachines } from './set-actions.ts'
import { setMembers } from './set-members.ts'
import { readSet, type SetRequest } from './set-request.ts'
import { standingOf, summary, viewOfSet } from './set-view.ts'
import { scaleSaga } from './write-saga.ts'
import { writeSet } from './write-set.ts'

/** Sets of VMs with flexible orchestration: each instance is an ordinary VM of the resource manager. */
export const scaleSets: ResourceType<ScaleSetInternal> = {
  spelling: scaleSetType,
  members: setMembers,
  refersTo: [
    'Microsoft.ManagedIdentity/userAssignedIdentities',
    'Microsoft.Network/loadBalancers',
    'Microsoft.Network/networkSecurityGroups',
    'Microsoft.Network/virtualNetworks',
    setType,
  ],
  view: viewOfSet,
  create: async (plane, request, group) => await write(plane, request, group.location, undefined),
  change: async (plane, request, existing) => await write(plane, request, existing.location, existing),
  actions: setActions,
  reads: {
    virtualMachines,
    instanceView: async (plane, _request, set) => ok(await summary(plane, set)),
    skus: async (plane, _request, set) => ok({ value: await skusOf(plane, set) }),
  },
  routes: actionRoutes,
  along: alongSet,
  remove: removeSet,
  released: async (plane, tx, set) => await assertNoInstances(plane, set, tx),
  define: (plane) => {
    plane.middle.define(scaleSaga(plane))
    plane.middle.define(actionSaga(plane))
    plane.middle.define(removalSaga(plane))
  },
}

async function write(
  plane: Plane,
  request: ArmRequest,
  groupLocation: string,
  existing: ScaleSet | undefined,
): Promise<ArmReply> {
  const r = readSet(request.body, { name: request.params['name'] ?? '', groupLocation, existing })
  if (existing !== undefined) assertSameLocation(existing, r.location)
  if (existing?.body.properties['provisioningState'] === 'Deleting') throw beingDeleted(existing)
  await judge(plane, request, r, existing)
  if (existing !== undefined) await requireLeaving(plane, request, r, existing)
  const { set, operation } = await writeSet(plane, request, r, existing)
  const where = { subscriptionId: plane.subscriptionId, location: set.location, operationId: operation?.id ?? '' }
  return {
    status: existing === undefined ? 201 : 200,
    body: await viewOfSet(plane, set, request),
    headers: { etag: `W/"${set.etag}"`, ...(operation !== undefined && asyncHeaders(request, where)) },
  }
}

/** @throws ServiceError LinkedAuthorizationFailed; one with every fault */
async function judge(plane: Plane, request: ArmRequest, r: SetRequest, existing: ScaleSet | undefined): Promise<void> {
  const { profile, vmSize, identity, location, tags } = r
  if (profile === undefined || vmSize === undefined) {
    r.fields.assertSound()
    return
  }
  const model = { id: request.path, location, tags, vmSize, profile, ...(identity !== undefined && { identity }) }
  const problems = await judgeProfile(
    plane,
    model,
    r.zones,
    r.fields,
    async (links) => await plane.access.requireLinked(request.caller, request.path, links),
  )
  const all = [...r.fields.problems, ...problems, ...fixedProblems(r, existing)]
  if (all.length > 0) throw refuse(all)
}

/** @throws ServiceError LinkedAuthorizationFailed or ScopeLocked if the VMs that leave, or what goes with them, must stay */
async function requireLeaving(plane: Plane, request: ArmRequest, r: SetRequest, existing: ScaleSet): Promise<void> {
  const standing = await standingOf(plane, existing)
  const surplus = standing.length - (r.capacity ?? standing.length)
  if (surplus <= 0) return
  const as = { ...existing, body: { ...existing.body, properties: r.kept } }
  const along: Along[] = []
  for (const vm of leaving(as, standing, surplus))
    along.push({ id: vm.id, does: 'delete', action: `${vmType}/delete` }, ...(await alongVm(plane, vm)))
  await requireAlong(plane, { asker: request.caller, path: request.path }, along)
}

/** What existing instances could not become. */
function fixedProblems({ profile }: SetRequest, existing: ScaleSet | undefined): Problem[] {
  const before = existing?.internal.profile
  if (before === undefined) return []
  const typeOf = (of: unknown): string =>
    (new Fields(of).object('securityProfile').text('securityType') ?? 'Standard').toLowerCase()
  if (typeOf(before) === typeOf(profile)) return []
  return [
    unchangeable('securityProfile.securityType', {
      target: 'properties.virtualMachineProfile.securityProfile.securityType',
      expected: typeOf(before),
      found: typeOf(profile),
      remedy: 'Create a new virtual machine scale set.',
      rule: 'S18',
    }),
  ]
}

const beingDeleted = (set: ScaleSet): ServiceError =>
  notAllowed(`The virtual machine scale set ${set.id} is being deleted.`, { remedy: 'Wait until it is gone.' })

/** The one size that a set's VMs have. */
async function skusOf(plane: Plane, set: ScaleSet): Promise<object[]> {
  const { vmSize } = set.internal
  if (vmSize === undefined) return []
  const capacity = {
    minimum: 0,
    maximum: 1000,
    defaultCapacity: (await standingOf(plane, set)).length,
    scaleType: 'Automatic',
  }
  return [{ resourceType: scaleSetType, sku: { name: vmSize, tier: 'Standard' }, capacity }]
}
