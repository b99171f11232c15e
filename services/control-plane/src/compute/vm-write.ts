import { randomBytes } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { AskedBy } from '@strongroom/contract'
import { ServiceError, type Operation } from '@strongroom/platform'
import { askerOf } from '../arm/asker.ts'
import { refuse, type Problem } from '../arm/fields.ts'
import { checkPreconditions } from '../arm/preconditions.ts'
import type { ArmRequest } from '../arm/request.ts'
import { checkBoot, holdSet, resolveSet, setLinks } from '../encryption/vm-set.ts'
import type { UserIdentity } from '../identity/user-assigned.ts'
import type { Plane } from '../plane.ts'
import type { Db } from '../store/resources.ts'
import { galleryProblems, specialise } from './galleries/gallery-rules.ts'
import { guestProblems } from './guest-rules.ts'
import { applyDataDisks, dataDiskProblems } from './data-disks.ts'
import { resolveImage } from './images.ts'
import type { KeptPassword } from './passwords.ts'
import { imageTarget, type ResolvedImage } from './resolved-image.ts'
import { findSize, type Size } from './sizes.ts'
import { changeStanding } from './standing-vm.ts'
import { changedProperties, updateProblems } from './vm-change.ts'
import { resolveProvider } from './vm-attestation.ts'
import {
  diskIdOf,
  diskType,
  osDiskBody,
  stateOf,
  vmBody,
  type AttestationProvider,
  type Vm,
  type VmInternal,
  type VmModel,
} from './vm-model.ts'
import { applyNics, assertDeallocated, nicLinks } from './vm-network.ts'
import { applyIdentities, resolveIdentities } from './vm-identity.ts'
import { diskLinks, links } from './vm-links.ts'
import { changedMeanwhile } from '../types/conflicts.ts'
import { beingDeleted, diskExists, invalidName } from './vm-write-errors.ts'
import { readVmRequest, type VmRequest } from './vm-request.ts'
import { securityProblems, securityTypeOf } from './vm-rules.ts'
import { assertNotConverting, conversionOf, conversionRefusals, convertVm } from './vm-conversion.ts'
import { refreshBody } from './vm-sagas.ts'

const nameForm = /^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?$/

export interface VmWritten {
  vm: Vm
  created: boolean
  operation?: Operation
}

/**
 * PUT and PATCH: makes the VM, changes it, or finds that it is as it should be.
 * @param bodyOf for what is written in terms of what the VM has
 */
export async function writeVm(
  plane: Plane,
  request: ArmRequest,
  bodyOf: (existing: Vm | undefined) => unknown = () => request.body,
): Promise<VmWritten> {
  const name = request.params['name'] ?? ''
  if (!nameForm.test(name)) throw invalidName(name)
  const group = await plane.resources.requireGroup(request.path)
  const existing = await plane.resources.find<VmInternal>(request.path)
  if (existing === undefined && request.method === 'PATCH') await plane.resources.get(request.path)
  checkPreconditions(request, existing)
  const model = existing?.internal.model
  const read = readVmRequest(bodyOf(existing), {
    groupLocation: group.location,
    merge: request.method === 'PATCH',
    ...(model !== undefined && { existing: model }),
  })
  const problems: Problem[] = [
    ...read.fields.problems,
    ...dataDiskProblems(read.dataDisks, findSize(read.vmSize ?? '')),
  ]
  const resolved =
    model === undefined && read.image !== undefined
      ? await resolveImage(plane, read.image, { strict: plane.strictImages, location: read.location })
      : undefined
  if (resolved !== undefined && 'problem' in resolved) problems.push(resolved.problem)
  const named = resolved !== undefined && 'image' in resolved ? resolved : undefined
  const gallery = named?.gallery
  const specialised = specialise(read, gallery, name)
  problems.push(...galleryProblems(read, gallery))
  const verifier = model === undefined ? await resolveProvider(plane, read.attestationProviderId) : {}
  if ('problem' in verifier) problems.push(verifier.problem)
  const image = named?.image
  problems.splice(read.fields.problems.length, 0, ...securityProblems(read, image))
  if (model === undefined)
    await plane.access.requireLinked(request.caller, request.path, setLinks(read.diskEncryptionSetId))
  const encryption = model === undefined ? await resolveSet(plane, read) : {}
  if ('problems' in encryption) problems.push(...encryption.problems)
  // An existing VM keeps its image: only disks and interfaces can be new to it.
  await plane.access.requireLinked(request.caller, request.path, [
    ...diskLinks(read, model),
    ...nicLinks(read.nics, model),
  ])
  if (model === undefined) await plane.access.requireLinked(request.caller, request.path, links(plane, read, named))
  const { identities, problems: unknown } = await resolveIdentities(plane, {
    caller: request.caller,
    vmId: request.path,
    wanted: read.identity,
    ...(model !== undefined && { existing: model }),
  })
  problems.push(...unknown)
  const nics = await Promise.all(read.nics.map(async (nic) => await plane.resources.find(nic.id)))
  const guest = guestProblems(read, { image, nics, vmId: request.path, specialised })
  // The image of an existing VM is what it was made from, whatever became of the image since.
  problems.push(
    ...(model === undefined ? guest : guest.filter((p) => p.target !== imageTarget || read.image === undefined)),
  )
  if (existing !== undefined) return await update(plane, request, existing, { read, identities, problems })
  if (problems.length > 0) throw refuse(problems)
  if (named === undefined) throw new TypeError('a request without an image is a problem')
  const { provider } = 'problem' in verifier ? {} : verifier
  const { set } = 'problems' in encryption ? {} : encryption
  const written = await create(plane, request, read, {
    ...named,
    identities,
    ...(provider && { provider }),
    ...(set && { set }),
  })
  if (named.notice !== undefined) await recordSubstitution(plane, request)
  return written
}

/** That another image was taken than the one that was named stands in the activity log, besides the VM's own notice. */
async function recordSubstitution(plane: Plane, request: ArmRequest): Promise<void> {
  const { caller, correlationId } = request
  const action = 'Microsoft.Compute/virtualMachines/imageSubstitution/event'
  await plane.activity.write({ caller: caller.objectId, action, resourceId: request.path, status: 200, correlationId })
}

function toModel(
  r: VmRequest,
  o: {
    osDiskName: string
    sizeGiB: number
    provider: AttestationProvider | undefined
    set: VmModel['diskEncryptionSet']
    identities: UserIdentity[]
    password: KeptPassword | undefined
  },
): { model: VmModel; size: Size } {
  const size = findSize(r.vmSize ?? '')
  const { encryption, secureBoot, vTpm, image } = r
  const securityType = securityTypeOf(r.securityType) ?? 'Standard'
  const { computerName, adminUsername, sshKeys, customData } = r.osProfile
  if (
    size === undefined ||
    (securityType === 'ConfidentialVM' && encryption === undefined) ||
    image === undefined ||
    computerName === undefined ||
    adminUsername === undefined
  ) {
    throw new TypeError('a request that is not whole is a problem')
  }
  const model: VmModel = {
    location: r.location,
    tags: r.tags,
    zones: r.zones,
    vmSize: size.name,
    securityType,
    ...(encryption !== undefined && { encryption }),
    secureBoot: secureBoot ?? false,
    vTpm: vTpm ?? false,
    encryptionAtHost: r.encryptionAtHost,
    image,
    osDisk: {
      name: o.osDiskName,
      sizeGiB: o.sizeGiB,
      caching: r.osDisk.caching,
      storageAccountType: r.osDisk.storageAccountType,
    },
    osProfile: {
      computerName,
      adminUsername,
      sshKeys,
      ...(customData !== undefined && { customData }),
      ...(o.password !== undefined && { password: o.password }),
    },
    ...(r.userData !== undefined && { userData: r.userData }),
    ...(r.bootDiagnostics !== undefined && { bootDiagnostics: r.bootDiagnostics }),
    nics: r.nics,
    ...(r.dataDisks.length > 0 && { dataDisks: r.dataDisks }),
    ...(o.provider !== undefined && { attestationProvider: o.provider }),
    ...(o.set !== undefined && { diskEncryptionSet: o.set }),
    ...(r.identity.system && { systemAssigned: true }),
    ...(o.identities.length > 0 && { userAssigned: o.identities }),
  }
  return { model, size }
}

/** Room over the image for what the guest writes; the disk is sparse. */
const spareGiB = 2

async function create(
  plane: Plane,
  request: ArmRequest,
  r: VmRequest,
  named: ResolvedImage & { provider?: AttestationProvider; set?: { id: string }; identities: UserIdentity[] },
): Promise<VmWritten> {
  const { image, notice, provider, set, identities } = named
  const id = request.path
  const name = request.params['name'] ?? ''
  const vmId = plane.newId().toUpperCase()
  const { adminPassword } = r.osProfile
  const { model, size } = toModel(r, {
    password: adminPassword === undefined ? undefined : await plane.passwords.keep(adminPassword, vmId),
    osDiskName: r.osDisk.name ?? `${name}_OsDisk_1_${randomBytes(16).toString('hex')}`,
    sizeGiB: r.osDisk.sizeGiB ?? Math.ceil(image.sizeBytes / 2 ** 30) + (image.source === 'capture' ? 0 : spareGiB),
    provider,
    set,
    identities,
  })
  await checkBoot(plane, askerOf(request), { model })
  const internal: VmInternal = {
    vmId,
    ...(size.tee !== undefined && { tee: size.tee }),
    imageId: image.id,
    imageVersion: image.version,
    model,
    provisioned: false,
    deallocated: false,
    ...(notice !== undefined && { notice }),
    ...(named.gallery?.osState === 'Specialized' && { specialised: true }),
  }
  const now = plane.clock.now().toISOString()
  return await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, id)
    const other = await plane.resources.find(id, tx)
    if (other !== undefined) throw changedMeanwhile(id)
    await holdSet(plane, tx, model)
    await plane.quotas.reserve(tx, { owner: id.toLowerCase(), region: model.location, size })
    await applyNics(plane, tx, { vmId: id, before: [], after: model.nics })
    if (model.dataDisks !== undefined)
      model.dataDisks = (
        await applyDataDisks(plane, tx, {
          vmId: id,
          vmName: name,
          location: model.location,
          before: [],
          after: model.dataDisks,
        })
      ).disks
    const diskId = diskIdOf(id, model.osDisk.name)
    if ((await plane.resources.find(diskId, tx)) !== undefined) throw diskExists(model.osDisk.name)
    await plane.resources.insert(tx, {
      id: diskId,
      location: model.location,
      body: osDiskBody(internal, now),
      internal: { managedBy: id, type: diskType },
    })
    const vm = await plane.resources.insert(tx, {
      id,
      location: model.location,
      body: vmBody(id, internal, 'Creating', now),
      internal,
    })
    const operation = await submitCreation(plane, askerOf(request), vm, tx)
    return { vm, created: true, operation }
  })
}

async function update(
  plane: Plane,
  request: ArmRequest,
  existing: Vm,
  o: { read: VmRequest; identities: UserIdentity[]; problems: Problem[] },
): Promise<VmWritten> {
  const { read: r, identities, problems: found } = o
  const before = existing.internal.model
  const conversion = conversionOf(before, r.vmSize)
  const immutable = [
    ...updateProblems(before, r),
    ...(await plane.passwords.changeProblems(existing, r.osProfile.adminPassword)),
    ...(conversion === undefined ? [] : await conversionRefusals(plane, existing, conversion)),
  ]
  if (immutable.length > 0) throw refuse(immutable)
  if (found.length > 0) throw refuse(found)
  const { model, size } = toModel(r, {
    osDiskName: before.osDisk.name,
    sizeGiB: before.osDisk.sizeGiB,
    provider: before.attestationProvider,
    set: before.diskEncryptionSet,
    identities,
    password: before.osProfile.password,
  })
  if (stateOf(existing) === 'Deleting') throw beingDeleted(existing.id)
  const changed = changedProperties(before, model)
  const running = await unfinished(plane, existing.key)
  if (changed.length === 0) return await repeat(plane, askerOf(request), existing, running)
  if (conversion !== undefined)
    return {
      ...(await convertVm(plane, askerOf(request), existing, { to: size, tags: model.tags, changed, running })),
      created: false,
    }
  assertNotConverting(existing, running)
  const needsStop = changed.filter(
    (property) =>
      !['tags', 'identity', 'storageProfile.dataDisks', 'userData', 'diagnosticsProfile'].includes(property) &&
      !property.startsWith('networkProfile'),
  )
  if (needsStop.length > 0) await assertOff(plane, existing, needsStop, running)
  const rewired = changed.includes('networkProfile.networkInterfaces')
  if (rewired) assertDeallocated(existing, running)
  const identity = await applyIdentities(plane, existing, model)
  const changesDisks = changed.includes('storageProfile.dataDisks')
  const written = await plane.resources.transaction(async (tx) => {
    if (model.vmSize !== before.vmSize && !existing.internal.deallocated) {
      await plane.quotas.reserve(tx, { owner: existing.key, region: model.location, size })
    }
    const { disks, change } = await applyDataDisks(plane, tx, {
      vmId: existing.id,
      vmName: existing.name,
      location: model.location,
      before: before.dataDisks ?? [],
      after: model.dataDisks ?? [],
    })
    if (disks.length > 0) model.dataDisks = disks
    if (rewired) await applyNics(plane, tx, { vmId: existing.id, before: before.nics, after: model.nics })
    const vm = await changeStanding(plane, tx, existing, (current) => {
      checkPreconditions(request, current)
      // What another request changed meanwhile would be lost: a disk that it attached would stay with the machine, an
      // interface that it moved would be looked for where it was.
      if (!isDeepStrictEqual(current.internal.model, before)) throw changedMeanwhile(existing.id)
      current.internal.model = model
      if (changesDisks) current.internal.hadDataDisks = true
      if (changesDisks && stateOf(current) === 'Succeeded') current.body.properties['provisioningState'] = 'Updating'
      if (size.tee !== undefined) current.internal.tee = size.tee
      if (identity === undefined) delete current.internal.identity
      else current.internal.identity = identity
      refreshBody(current)
    })
    if (!changesDisks) return { vm }
    const params = { id: existing.id, vmId: existing.internal.vmId, ...change }
    const operation = await plane.runner.submit({
      kind: 'vm.update',
      resourceId: existing.key,
      principal: request.caller.objectId,
      params,
      tx,
    })
    return { vm, operation }
  })
  return { ...written, created: false }
}

/** The same request again: a VM that could not be made is tried again, any other stays as it is. */
async function repeat(plane: Plane, asker: AskedBy, vm: Vm, running: Operation | undefined): Promise<VmWritten> {
  if (running !== undefined) return { vm, created: false, operation: running }
  return stateOf(vm) === 'Failed' ? await repeatCreation(plane, asker, vm) : { vm, created: false }
}

export async function repeatCreation(plane: Plane, asker: AskedBy, vm: Vm): Promise<VmWritten> {
  const size = findSize(vm.internal.model.vmSize)
  if (size === undefined) throw new TypeError(`the size of ${vm.id} is gone`)
  await checkBoot(plane, asker, vm.internal)
  return await plane.resources.transaction(async (tx) => {
    await holdSet(plane, tx, vm.internal.model)
    await plane.quotas.reserve(tx, { owner: vm.key, region: vm.location, size })
    const changed = await changeStanding(plane, tx, vm, (current) => {
      current.body.properties['provisioningState'] = 'Creating'
      current.internal.deallocated = false
    })
    return { vm: changed, created: false, operation: await submitCreation(plane, asker, vm, tx) }
  })
}

async function submitCreation(plane: Plane, asker: AskedBy, vm: Vm, tx: Db): Promise<Operation> {
  return await plane.runner.submit({
    kind: 'vm.create',
    resourceId: vm.key,
    principal: asker.objectId,
    params: { id: vm.id, vmId: vm.internal.vmId, asker },
    tx,
  })
}

export async function unfinished(plane: Plane, key: string): Promise<Operation | undefined> {
  return (await plane.runner.listFor(key)).find(
    (operation) => operation.status === 'Running' || operation.status === 'Undoing',
  )
}

async function assertOff(plane: Plane, vm: Vm, properties: string[], running: Operation | undefined): Promise<void> {
  const state = (await plane.machine.find(vm.internal.vmId))?.power.state
  if (running === undefined && (state === undefined || state === 'Stopped' || state === 'Failed')) return
  throw new ServiceError({
    code: 'OperationNotAllowed',
    status: 409,
    message: `'${properties.join("', '")}' of VM '${vm.name}' can change only while the VM is stopped: its launch measurement covers them.`,
    target: properties[0] ?? '',
    expected: 'a stopped or deallocated VM',
    found: running === undefined ? String(state) : `${running.kind} under way`,
    remedy: 'Deallocate the VM, make the change, start it again.',
  })
}
