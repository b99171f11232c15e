import type { SecureBootUpdates } from '@strongroom/contract'
import { secureBootUpdates } from '@strongroom/contract/wires'
import { read } from '@strongroom/platform'
import { notAllowed } from '../../../arm/refusals.ts'
import { ok } from '../../../arm/request.ts'
import type { AtResource } from '../../../types/resource-type.ts'
import type { Vm, VmInternal } from './model/vm-model.ts'
import { changeVm } from './model/vm-record.ts'

const mostWaiting = 16

/**
 * Signed updates of a VM's Secure Boot variables by its owner. They wait for the next boot, where the VM's paravisor
 * verifies each under the keys that its KEK and PK hold; nothing here is believed
 * (docs/design/0019-secure-boot-variables.md).
 */
export const updateSecureBootVariables: AtResource<VmInternal> = async (plane, request, vm) => {
  requireKeptDisk(vm)
  const body = { updates: [], ...(request.body as object) } as { updates: unknown }
  const updates = read(secureBootUpdates, body.updates, { code: 'InvalidParameter', subject: 'updates' })
  const { vmId, provisioned } = vm.internal
  let all: SecureBootUpdates = []
  await changeVm(plane, { id: vm.id, vmId }, ({ internal }) => {
    all = joined(internal.secureBootUpdates ?? [], updates)
    internal.secureBootUpdates = all
  })
  if (provisioned) await plane.host.patch(vmId, { secureBootUpdates: all })
  return ok({ updates: all.length })
}

/** What the VM’s host gets at each start. */
export const secureBootUpdatesOf = ({ internal }: Vm): { secureBootUpdates?: SecureBootUpdates } =>
  internal.secureBootUpdates === undefined ? {} : { secureBootUpdates: internal.secureBootUpdates }

/** A boot skips those that it took before, so that the oldest need not be told of for ever. */
const joined = (before: SecureBootUpdates, added: SecureBootUpdates): SecureBootUpdates =>
  [
    ...before.filter(
      (each) => !added.some(({ variable, update }) => variable === each.variable && update === each.update),
    ),
    ...added,
  ].slice(-mostWaiting)

function requireKeptDisk(vm: Vm): void {
  const { encryption, secureBoot } = vm.internal.model
  if (encryption === 'DiskWithVMGuestState' && secureBoot) return
  throw notAllowed(`The Secure Boot variables of VM '${vm.name}' are not updated.`, {
    target: vm.id,
    expected: 'a confidential VM with Secure Boot and an encrypted OS disk',
    found: `${encryption ?? 'not confidential'}, Secure Boot ${secureBoot ? 'on' : 'off'}`,
    remedy: 'Create a new VM, which has the variables of today.',
  })
}
