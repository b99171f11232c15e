import type { SagaDefinition, SagaStep, StepContext } from '@strongroom/platform'
import { keyOf } from '../../arm/ids/resource-id.ts'
import { customerKeyOf } from './vm-set.ts'
import type { Plane } from '../../types/plane.ts'
import { placeDataDisks } from '../../providers/compute/disk/disk-placement.ts'
import { findSize, hostSize } from '../../providers/compute/size/sizes.ts'
import { attestationUri } from '../../providers/compute/vm/model/vm-attestation.ts'
import { fromDetail } from '../../host/host-error.ts'
import { bootUntilReady, followInstance } from '../../providers/compute/vm/vm-boot.ts'
import { hostNetwork } from './vm-network.ts'
import { applyIdentities } from '../../providers/compute/vm/model/vm-identity.ts'
import { secureBootUpdatesOf } from '../../providers/compute/vm/secure-boot-updates.ts'
import { stateOf } from '../../providers/compute/vm/model/vm-model.ts'
import { changeVm, load, refreshBody, setState, type VmParams } from '../../providers/compute/vm/model/vm-record.ts'
import { instanceSpec, settingsOf, shownFacts } from './vm-spec.ts'

/** A new VM's principal is new: roles of an earlier VM of this name do not apply. */
async function assignIdentities(plane: Plane, params: VmParams): Promise<void> {
  const vm = await load(plane, params)
  const identity = await applyIdentities(plane, vm, vm.internal.model, { anew: true })
  if (identity === undefined || vm.internal.identity !== undefined) return
  await changeVm(plane, params, (changed) => {
    changed.internal.identity = identity
    refreshBody(changed)
  })
}

/** Removes everything a VM has outside the control plane: instance with disk and guest state, then its key. */
async function destroy(plane: Plane, params: VmParams): Promise<void> {
  await plane.host.remove(params.vmId)
  await destroyKeys(plane, params)
}

export async function destroyKeys(plane: Plane, { asker, vmId }: VmParams): Promise<void> {
  await plane.keys.destroy(asker, vmId)
  await plane.vaults.forgetFirmware(asker, vmId)
}

/** Booting the VM is the last step; a VM that fails to boot is kept, for its owner to inspect and delete. */
export async function boot(plane: Plane, c: StepContext<VmParams>, startFirst: boolean): Promise<void> {
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
        // One place that undoes everything, because a step that fails half way is not undone itself.
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
          // A VM with NonPersistedTPM stores nothing, and so needs no key.
          if (tee === undefined || vm.internal.model.encryption === 'NonPersistedTPM') return undefined
          const keyId = await plane.keys.ensure({
            vmId: vm.internal.vmId,
            tee,
            authority: attestationUri(vm.internal.model),
            asker: c.params.asker,
          })
          const { firmwareUpdates } = vm.internal.model
          if (firmwareUpdates !== undefined)
            await plane.vaults.allowFirmware(c.params.asker, vm.internal.vmId, firmwareUpdates)
          await changeVm(plane, c.params, (changed) => void (changed.internal.keyId = keyId))
          return { keyId }
        },
      },
      {
        name: 'provision disk and guest state',
        do: async (c) => {
          const vm = await load(plane, c.params)
          await plane.host.provision(await instanceSpec(plane, vm))
          await followInstance(plane, c, {
            vmId: vm.internal.vmId,
            settled: ({ provisioning }) => {
              if (provisioning.state === 'Failed')
                throw fromDetail(
                  provisioning.error ?? { code: 'ProvisioningFailed', message: 'The host could not create the disk.' },
                )
              return provisioning.state === 'Succeeded' ? true : undefined
            },
          })
          const customerKeyId = (await plane.host.find(c.params.vmId))?.guestStateWrappedBy
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
        // A deletion that cancelled this creation has already marked the VM.
        if (stateOf(vm) !== 'Deleting')
          vm.body.properties['provisioningState'] = c.status === 'Succeeded' ? 'Succeeded' : 'Failed'
      })
    },
  }
}

/** The parts of a VM's model that a host applies while the VM is off. */
export const applyConfiguration = (plane: Plane): SagaStep<VmParams> => ({
  name: 'apply configuration',
  do: async (c) => {
    const vm = await load(plane, c.params)
    const { internal } = vm
    const customerKey = await customerKeyOf(plane, vm)
    const size = findSize(internal.model.vmSize)
    const status = await plane.host.find(c.params.vmId)
    if (size === undefined || (status?.power.state !== 'Stopped' && status?.power.state !== 'Failed')) return
    const { subnetPrefix, ...interfaces } = await hostNetwork(plane, vm)
    await plane.host.patch(c.params.vmId, {
      size: hostSize(size),
      security: { secureBoot: internal.model.secureBoot },
      ...(internal.model.userData !== undefined && { userData: internal.model.userData }),
      tags: internal.model.tags,
      ...settingsOf(vm),
      ...secureBootUpdatesOf(vm),
      ...interfaces,
      shown: await shownFacts(plane, vm, subnetPrefix),
      ...(customerKey !== undefined && { customerKey }),
    })
  },
})

export function startSaga(plane: Plane): SagaDefinition<VmParams> {
  return {
    kind: 'vm.start',
    steps: [
      applyConfiguration(plane),
      { name: 'boot until the guest is ready', do: async (c) => await boot(plane, c, true) },
    ],
    onFinished: async (c) => {
      // A creation that failed at its boot is complete once a boot succeeds.
      if (c.status === 'Succeeded') await setState(plane, c.params, 'Succeeded')
    },
  }
}

export function restartSaga(plane: Plane): SagaDefinition<VmParams> {
  return {
    kind: 'vm.restart',
    steps: [
      { name: 'restart', do: async (c) => void (await plane.host.restart(c.params.vmId)) },
      { name: 'boot until the guest is ready', do: async (c) => await boot(plane, c, false) },
    ],
  }
}
