import type { AnySpec, AskedBy, VmSpec } from '@strongroom/contract'
import { ServiceError, type SagaDefinition, type SagaStep, type StepContext } from '@strongroom/platform'
import { keyOf } from '../arm/resource-id.ts'
import { customerKeyOf } from '../encryption/vm-set.ts'
import { detachInterface } from '../network/interfaces.ts'
import type { Plane } from '../plane.ts'
import type { Db } from '../store/resources.ts'
import { destroyDataDisks, placeDataDisks } from './disk-placement.ts'
import { releaseDisk } from './data-disks.ts'
import { removeRunCommands } from './run-command-store.ts'
import { findSize, machineSize } from './sizes.ts'
import { attestationUri } from './vm-attestation.ts'
import { fromDetail } from '../machine/machine-error.ts'
import { assertLeftWhole, bootUntilReady, followInstance, waitUntilStopped } from './vm-boot.ts'
import { machineNetwork } from './vm-network.ts'
import { applyIdentities, removeIdentities } from './vm-identity.ts'
import { diskIdOf, stateOf, typeOf, vmBody, type Vm, type VmInternal } from './vm-model.ts'

export interface VmParams {
  /** ARM id. */
  id: string
  /** The machine's id of the VM: an operation of a VM that is gone never touches one made later under its name. */
  vmId: string
  /** Who asked for the operation; absent where an earlier version recorded it. */
  asker?: AskedBy
}

async function load(plane: Plane, params: VmParams): Promise<Vm> {
  const vm = await plane.resources.find<VmInternal>(params.id)
  if (vm !== undefined && vm.internal.vmId === params.vmId) return vm
  throw new ServiceError({
    code: 'ResourceNotFound',
    status: 404,
    message: `The virtual machine ${params.id} is gone.`,
  })
}

/** Changes a VM's row, where it still is the same VM. */
export async function changeVm(plane: Plane, params: VmParams, change: (vm: Vm) => void, tx?: Db): Promise<void> {
  const work = async (db: Db): Promise<void> => {
    await plane.resources.change<VmInternal>(db, params.id, (vm) => {
      if (vm.internal.vmId === params.vmId) change(vm)
    })
  }
  await (tx === undefined ? plane.resources.transaction(work) : work(tx))
}

export async function setState(plane: Plane, params: VmParams, state: string, tx?: Db): Promise<void> {
  await changeVm(plane, params, (vm) => void (vm.body.properties['provisioningState'] = state), tx)
}

async function instanceSpec(plane: Plane, vm: Vm): Promise<AnySpec> {
  const { model, imageId, vmId, tee, keyId } = vm.internal
  const customerKey = await customerKeyOf(plane, vm)
  const size = findSize(model.vmSize)
  const { password } = model.osProfile
  const { network, interfaces, subnetPrefix } = await machineNetwork(plane, vm)
  if (size === undefined) throw new TypeError(`the record of ${vm.id} is not whole`)
  const common: VmSpec = {
    vmId,
    resourceId: vm.id,
    name: vm.name,
    region: vm.location,
    size: machineSize(size),
    image: imageId,
    osDisk: { id: diskIdOf(vm.id, model.osDisk.name), sizeGiB: model.osDisk.sizeGiB },
    osProfile: {
      computerName: model.osProfile.computerName,
      adminUsername: model.osProfile.adminUsername,
      sshPublicKeys: model.osProfile.sshKeys.map((key) => key.keyData),
      ...(model.osProfile.customData !== undefined && { customData: model.osProfile.customData }),
      ...(password !== undefined && {
        passwordHash: await plane.passwords.open(password, vmId),
        passwordSha256: password.digest,
      }),
    },
    ...(model.userData !== undefined && { userData: model.userData }),
    network,
    ...(interfaces.length > 0 && { interfaces }),
    tags: model.tags,
    shown: shownFacts(vm, subnetPrefix),
  }
  const { secureBoot, vTpm, encryption } = model
  const type = typeOf(model)
  if (type !== 'ConfidentialVM') return { ...common, ordinary: type, security: { secureBoot, vTpm } }
  if (tee === undefined || encryption === undefined) throw new TypeError(`the record of ${vm.id} is not whole`)
  if (keyId === undefined && encryption !== 'NonPersistedTPM') throw new TypeError('a VM is provisioned after its key')
  const security = { encryption, secureBoot, vTpm }
  return {
    ...common,
    tee,
    security,
    ...(keyId !== undefined && { guestStateKey: keyId }),
    ...(customerKey !== undefined && { customerKey }),
    attestationProvider: attestationUri(model),
  }
}

/** What the guest may read at its metadata endpoint beside what the machine needs. */
function shownFacts(vm: Vm, subnetPrefix: string | undefined): NonNullable<VmSpec['shown']> {
  const { model, imageVersion } = vm.internal
  const { image, osDisk } = model
  return {
    imageReference: 'id' in image ? { id: image.id } : { ...image, version: imageVersion },
    osDisk: { name: osDisk.name, caching: osDisk.caching, storageAccountType: osDisk.storageAccountType },
    ...(model.zones[0] !== undefined && { zone: model.zones[0] }),
    ...(subnetPrefix !== undefined && { subnetPrefix }),
  }
}

/** A new VM's principal is a new one, whatever a VM of this name once had: roles of that one are not this one's. */
async function assignIdentities(plane: Plane, params: VmParams): Promise<void> {
  const vm = await load(plane, params)
  const identity = await applyIdentities(plane, vm, vm.internal.model, { anew: true })
  if (identity === undefined || vm.internal.identity !== undefined) return
  await changeVm(plane, params, (changed) => {
    changed.internal.identity = identity
    refreshBody(changed)
  })
}

/** Everything a VM has outside the control plane goes: instance with disk and guest state, then its key. */
async function destroy(plane: Plane, params: VmParams): Promise<void> {
  await plane.machine.remove(params.vmId)
  await plane.keys.destroy(params.asker, params.vmId)
}

/** Whether the VM boots is the last step; a VM that does not boot is kept, for its owner to look at and to delete. */
async function boot(plane: Plane, c: StepContext<VmParams>, startFirst: boolean): Promise<void> {
  try {
    if (startFirst) await placeDataDisks(plane, c)
    await bootUntilReady(plane, c, { vmId: c.params.vmId, startFirst })
  } catch (error) {
    if (!c.signal.aborted) await plane.notes.keep(c.operationId)
    throw error
  }
}

export function createSaga(plane: Plane): SagaDefinition<VmParams> {
  return {
    kind: 'vm.create',
    steps: [
      {
        name: 'accept request',
        do: async (c) => await assignIdentities(plane, c.params),
        // One place that takes everything back, because a step that fails half way is not undone itself.
        undo: async (c) => {
          if ((await plane.notes.read(c.operationId)).kept) return
          await destroy(plane, c.params)
          await plane.resources.transaction(async (tx) => {
            await plane.quotas.release(tx, keyOf(c.params.id))
            await changeVm(
              plane,
              c.params,
              (vm) => {
                delete vm.internal.keyId
                delete vm.internal.customerKeyId
                vm.internal.provisioned = false
                vm.internal.deallocated = true
              },
              tx,
            )
          })
        },
      },
      {
        name: 'create platform key',
        do: async (c) => {
          const vm = await load(plane, c.params)
          const { tee } = vm.internal
          // Nothing is kept of a VM with NonPersistedTPM, and so no key is needed to keep it under.
          if (tee === undefined || vm.internal.model.encryption === 'NonPersistedTPM') return undefined
          const keyId = await plane.keys.ensure({
            vmId: vm.internal.vmId,
            tee,
            authority: attestationUri(vm.internal.model),
            asker: c.params.asker,
          })
          await changeVm(plane, c.params, (changed) => void (changed.internal.keyId = keyId))
          return { keyId }
        },
      },
      {
        name: 'provision disk and guest state',
        do: async (c) => {
          const vm = await load(plane, c.params)
          await plane.machine.provision(await instanceSpec(plane, vm))
          await followInstance(plane, c, {
            vmId: vm.internal.vmId,
            settled: ({ provisioning }) => {
              if (provisioning.state === 'Failed')
                throw fromDetail(
                  provisioning.error ?? { code: 'ProvisioningFailed', message: 'The machine could not make the disk.' },
                )
              return provisioning.state === 'Succeeded' ? true : undefined
            },
          })
          const customerKeyId = (await plane.machine.find(c.params.vmId))?.guestStateWrappedBy
          await changeVm(plane, c.params, (changed) => {
            changed.internal.provisioned = true
            if (customerKeyId !== undefined) changed.internal.customerKeyId = customerKeyId
          })
        },
      },
      { name: 'boot until the guest is ready', do: async (c) => await boot(plane, c, true) },
    ],
    onFinished: async (c) => {
      await changeVm(plane, c.params, (vm) => {
        // A deletion that cancelled this creation has marked the VM already.
        if (stateOf(vm) !== 'Deleting')
          vm.body.properties['provisioningState'] = c.status === 'Succeeded' ? 'Succeeded' : 'Failed'
      })
    },
  }
}

export function startSaga(plane: Plane): SagaDefinition<VmParams> {
  return {
    kind: 'vm.start',
    steps: [
      {
        name: 'apply configuration',
        do: async (c) => {
          const vm = await load(plane, c.params)
          const { internal } = vm
          const customerKey = await customerKeyOf(plane, vm)
          const size = findSize(internal.model.vmSize)
          const status = await plane.machine.find(c.params.vmId)
          if (size === undefined || (status?.power.state !== 'Stopped' && status?.power.state !== 'Failed')) return
          const { subnetPrefix, ...interfaces } = await machineNetwork(plane, vm)
          await plane.machine.patch(c.params.vmId, {
            size: machineSize(size),
            security: { secureBoot: internal.model.secureBoot },
            ...(internal.model.userData !== undefined && { userData: internal.model.userData }),
            tags: internal.model.tags,
            ...interfaces,
            shown: shownFacts(vm, subnetPrefix),
            ...(customerKey !== undefined && { customerKey }),
          })
        },
      },
      { name: 'boot until the guest is ready', do: async (c) => await boot(plane, c, true) },
    ],
    onFinished: async (c) => {
      // A create that ended as Failed because of its boot is whole once a boot succeeds.
      if (c.status === 'Succeeded') await setState(plane, c.params, 'Succeeded')
    },
  }
}

export function restartSaga(plane: Plane): SagaDefinition<VmParams> {
  return {
    kind: 'vm.restart',
    steps: [
      { name: 'restart', do: async (c) => void (await plane.machine.restart(c.params.vmId)) },
      { name: 'boot until the guest is ready', do: async (c) => await boot(plane, c, false) },
    ],
  }
}

export function powerOffSaga(plane: Plane): SagaDefinition<VmParams & { graceful: boolean }> {
  return {
    kind: 'vm.powerOff',
    steps: [
      { name: 'stop', do: async (c) => void (await plane.machine.stop(c.params.vmId, c.params.graceful)) },
      { name: 'wait until the VM is off', do: async (c) => await waitUntilStopped(plane, c, c.params.vmId) },
      leftWhole(plane),
    ],
  }
}

/** The last step of a stop: the VM is off by then, whatever it left. */
const leftWhole = (plane: Plane): SagaStep<VmParams> => ({
  name: 'see that its guest state was written',
  do: async (c) => await assertLeftWhole(plane, c.params.vmId),
})

export function deallocateSaga(plane: Plane): SagaDefinition<VmParams> {
  return {
    kind: 'vm.deallocate',
    steps: [
      { name: 'stop', do: async (c) => void (await plane.machine.stop(c.params.vmId, true)) },
      { name: 'wait until the VM is off', do: async (c) => await waitUntilStopped(plane, c, c.params.vmId) },
      {
        name: 'free its cores',
        do: async (c) => {
          await plane.resources.transaction(async (tx) => {
            await plane.quotas.release(tx, keyOf(c.params.id))
            await changeVm(plane, c.params, (vm) => void (vm.internal.deallocated = true), tx)
          })
        },
      },
      leftWhole(plane),
    ],
  }
}

export function deleteSaga(plane: Plane): SagaDefinition<VmParams> {
  return {
    kind: 'vm.delete',
    steps: [
      {
        name: 'destroy disk and guest state',
        do: async (c) => {
          await plane.machine.remove(c.params.vmId)
          await destroyDataDisks(plane, c.params)
        },
      },
      { name: 'destroy platform key', do: async (c) => await plane.keys.destroy(c.params.asker, c.params.vmId) },
      { name: 'remove identity', do: async (c) => await removeIdentity(plane, c.params) },
      { name: 'remove records', do: async (c) => await removeRecords(plane, c.params) },
    ],
    onFinished: async (c) => {
      if (c.status !== 'Succeeded') await setState(plane, c.params, 'Failed')
    },
  }
}

async function removeIdentity(plane: Plane, params: VmParams): Promise<void> {
  const vm = await plane.resources.find<VmInternal>(params.id)
  if (vm?.internal.vmId === params.vmId) await removeIdentities(plane, vm)
}

async function removeRecords(plane: Plane, params: VmParams): Promise<void> {
  await plane.resources.transaction(async (tx) => {
    await plane.resources.lockGroup(tx, params.id, { evenDeleting: true })
    const vm = await plane.resources.find<VmInternal>(params.id, tx)
    if (vm === undefined || vm.internal.vmId !== params.vmId) return
    const { model } = vm.internal
    for (const nic of model.nics) {
      await detachInterface(plane, tx, { nicId: nic.id, vmId: vm.id, remove: nic.deleteOption === 'Delete' })
    }
    await plane.resources.remove(tx, diskIdOf(vm.id, model.osDisk.name))
    for (const disk of model.dataDisks ?? []) {
      if (disk.id === undefined) continue
      await releaseDisk(plane, tx, disk.id)
      if (disk.deleteOption === 'Delete') await plane.resources.remove(tx, disk.id)
    }
    await removeRunCommands(plane, tx, vm)
    await plane.quotas.release(tx, vm.key)
    await plane.resources.remove(tx, vm.id)
  })
}

/** Shows a changed model in the VM's body. */
export function refreshBody(vm: Vm): void {
  vm.body = vmBody(vm.id, vm.internal, stateOf(vm), vm.createdAt)
}
