import type { AskedBy } from '@strongroom/contract'
import type { Operation, SagaDefinition } from '@strongroom/platform'
import { begin } from '../../../arm/operations.ts'
import { notAllowed } from '../../../arm/refusals.ts'
import type { Plane } from '../../../types/plane.ts'
import { stateOf, type Vm } from './model/vm-model.ts'
import { beingDeleted, changeStanding, setState, unfinished, type VmParams } from './model/vm-record.ts'

// Replacing the volume key of an OS disk is our addition: Azure has no such action (docs/guides/virtual-machines.md).

interface RekeyParams extends VmParams {
  /** The host replaces the key once for it, however often the step is repeated. */
  rekey: string
}

/** Begins to give the encrypted OS disk of a deallocated VM a new volume key. @throws ServiceError OperationNotAllowed */
export async function rekeyVm(plane: Plane, asker: AskedBy, vm: Vm): Promise<Operation> {
  if (stateOf(vm) === 'Deleting') throw beingDeleted(vm.id)
  const running = await unfinished(plane, vm.key)
  if (running?.kind === 'vm.rekey') return running
  requireRekeyable(vm, running)
  const params: RekeyParams = { id: vm.id, vmId: vm.internal.vmId, asker, rekey: plane.newId() }
  return await plane.resources.transaction(async (tx) => {
    await changeStanding(plane, tx, vm, (current) => {
      if (!current.internal.deallocated) throw notDeallocated(current, undefined)
      current.body.properties['provisioningState'] = 'Updating'
    })
    return await begin(plane.runner, tx, 'vm.rekey', { resource: vm, asker }, params)
  })
}

export function rekeySaga(plane: Plane): SagaDefinition<RekeyParams> {
  return {
    kind: 'vm.rekey',
    steps: [
      {
        name: 'encrypt the OS disk under a new volume key',
        // Nothing is to be undone: the host does all of it or nothing.
        do: async ({ params }) => void (await plane.host.rekey(params.vmId, { id: params.rekey })),
      },
    ],
    onFinished: async ({ params }) => await setState(plane, params, 'Succeeded'),
  }
}

function requireRekeyable(vm: Vm, running: Operation | undefined): void {
  const { encryption, securityType } = vm.internal.model
  if (securityType !== 'ConfidentialVM' || encryption !== 'DiskWithVMGuestState')
    throw notAllowed(`The OS disk of VM '${vm.name}' has no volume key that can be replaced.`, {
      target: vm.id,
      expected: 'a confidential VM with an encrypted OS disk (DiskWithVMGuestState)',
      found: securityType === 'ConfidentialVM' ? String(encryption) : securityType,
      remedy: 'Create a confidential VM with an encrypted OS disk, and copy the data.',
    })
  if (!vm.internal.deallocated || running !== undefined) throw notDeallocated(vm, running)
  if (!vm.internal.provisioned)
    throw notAllowed(`The virtual machine '${vm.name}' has no disk: its creation failed.`, {
      target: vm.id,
      remedy: 'Repeat the PUT that creates it, or delete it.',
    })
}

const notDeallocated = (vm: Vm, running: Operation | undefined): Error =>
  notAllowed(`Unable to replace the volume key of VM '${vm.name}': it must be deallocated.`, {
    target: vm.id,
    expected: 'a deallocated VM',
    found: running === undefined ? 'an allocated VM' : `${running.kind} in progress`,
    remedy: 'Deallocate the VM (az vm deallocate, strongroom vm deallocate), replace the key, then start it again.',
  })
