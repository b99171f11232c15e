import type { ErrorDetail } from '@strongroom/contract'
import { ServiceError, type Operation, type SagaDefinition } from '@strongroom/platform'
import { notAllowed } from '../arm/refusals.ts'
import { underWay, begin, operationError } from '../arm/operations.ts'
import type { OnBehalfOf } from '../arm/on-behalf-of.ts'
import { keyOf } from '../arm/ids/resource-id.ts'
import { stateOf, vmType, type Vm, type VmInternal } from '../providers/compute/vm/model/vm-model.ts'
import { changeVm, type VmParams } from '../providers/compute/vm/model/vm-record.ts'
import type { Plane } from '../types/plane.ts'
import type { Db } from '../store/resources.ts'
import {
  rotating,
  setBody,
  setState,
  type DiskEncryptionSet,
  type SetInternal,
  type SetKey,
  keyUser,
} from '../providers/encryption/set-model.ts'
import { customerKeyOf } from './vm/vm-set.ts'

/** Every VM that names the set, by name. */
export async function vmsOf(plane: Plane, setId: string, db?: Db): Promise<Vm[]> {
  const key = keyOf(setId)
  const vms = await plane.resources.list<VmInternal>({ type: vmType }, db)
  return vms.filter(({ internal }) => {
    const { diskEncryptionSet } = internal.model
    return diskEncryptionSet !== undefined && keyOf(diskEncryptionSet.id) === key
  })
}

/**
 * Gives the set another key. Guest states are rewrapped while their VMs are off: if one is not, nothing changes. The
 * same key again does nothing, or continues a failed rotation.
 * @throws ServiceError OperationNotAllowed with the VMs that prevent it; what `CustomerKeys.check` refuses
 */
export async function changeKey(
  plane: Plane,
  asker: OnBehalfOf,
  set: DiskEncryptionSet,
  key: SetKey,
): Promise<{ set: DiskEncryptionSet; operation?: Operation }> {
  const same = (internal: SetInternal): boolean => internal.activeKey.keyUrl === key.keyUrl
  if (same(set.internal) && setState(set) === 'Succeeded') return { set }
  if (same(set.internal) && setState(set) === 'Updating') {
    const [operation] = await underWay(plane.outer, set.key)
    return { set, ...(operation !== undefined && { operation }) }
  }
  await plane.customerKeys.check({ set: keyUser(set), keyUrl: key.keyUrl, asker })
  return await plane.resources.transaction(async (tx) => {
    const current = await plane.resources.lock<SetInternal>(tx, set.id)
    if (current === undefined) return { set: await plane.resources.get<SetInternal>(set.id, tx) }
    if (setState(current) === 'Updating') throw rotating(current)
    const vms = await vmsOf(plane, set.id, tx)
    requireAllOff(current, vms)
    const wrapped = vms.filter(({ internal }) => internal.provisioned)
    const earlier = [current.internal.activeKey, ...current.internal.previousKeys]
    const kept = wrapped.length === 0 ? [] : earlier.filter(({ keyUrl }) => keyUrl !== key.keyUrl)
    const state = wrapped.length === 0 ? 'Succeeded' : 'Updating'
    const changed = await writeKeys(plane, tx, set.id, state, (internal) => {
      internal.activeKey = key
      internal.previousKeys = kept
      if (wrapped.length === 0) internal.rotatedAt = plane.clock.now().toISOString()
    })
    if (changed === undefined || wrapped.length === 0) return { set: changed ?? current }
    const operation = await begin(
      plane.outer,
      tx,
      'des.rotate',
      { resource: set, asker },
      { id: set.id, keyUrl: key.keyUrl, asker },
    )
    return { set: changed, operation }
  })
}

async function writeKeys(
  plane: Plane,
  tx: Db,
  id: string,
  state: 'Succeeded' | 'Updating' | 'Failed',
  change: (internal: SetInternal) => void,
): Promise<DiskEncryptionSet | undefined> {
  return await plane.resources.change<SetInternal>(tx, id, (set) => {
    change(set.internal)
    set.body = setBody(set.internal, state, set.body.tags)
  })
}

/** A VM that is created, started or restarted is no longer marked as deallocated before its operation begins. */
function requireAllOff(set: DiskEncryptionSet, vms: Vm[]): void {
  const busy = vms.flatMap((vm): ErrorDetail[] => {
    const deleting = stateOf(vm) === 'Deleting'
    if (vm.internal.deallocated && !deleting) return []
    const found = deleting ? 'being deleted' : 'not deallocated'
    const innererror = { expected: 'deallocated', found, remedy: `az vm deallocate --ids ${vm.id}` }
    return [{ code: 'VmNotDeallocated', message: `${vm.id}: ${found}`, target: vm.id, innererror }]
  })
  if (busy.length === 0) return
  throw notAllowed(
    `The key of disk encryption set '${set.name}' can change only while all virtual machines with this set are ` +
      'deallocated. Nothing was changed.',
    {
      target: set.id,
      details: busy,
      expected: 'every virtual machine of the set deallocated',
      found: busy
        .map(({ target = '' }) => target.split('/').at(-1))
        .join(', ')
        .slice(0, 300),
      remedy: 'Deallocate these virtual machines, change the key, then start them again.',
    },
  )
}

/** On `plane.outer`: it waits for one operation per VM, ordered with that VM's other operations. */
export function rotateSaga(plane: Plane): SagaDefinition<{ id: string; keyUrl: string; asker?: OnBehalfOf }> {
  return {
    kind: 'des.rotate',
    steps: [
      {
        name: 'wrap guest states under the new key',
        do: async (c) => {
          const vms = (await vmsOf(plane, c.params.id)).filter(({ internal }) => internal.provisioned)
          const operations: { vm: Vm; id: string }[] = []
          for (const vm of vms) {
            const { id } = await plane.runner.submit({
              kind: 'vm.rewrap',
              resourceId: vm.key,
              principal: c.params.asker?.objectId,
              params: { id: vm.id, vmId: vm.internal.vmId },
              idempotencyKey: `${c.operationId}:${vm.internal.vmId}`,
            })
            operations.push({ vm, id })
          }
          const failures: ErrorDetail[] = []
          for (const { vm, id } of operations) {
            const ended = await plane.runner.wait(id)
            if (ended.status === 'Succeeded') continue
            const error = operationError(ended).toDetail()
            failures.push({ ...error, message: `${vm.name}: ${error.message}`, target: error.target ?? vm.id })
          }
          if (failures.length > 0) throw unfinished(vms.length, failures)
        },
      },
    ],
    onFinished: async (c) => {
      const done = c.status === 'Succeeded'
      await plane.resources.transaction(async (tx) => {
        await writeKeys(plane, tx, c.params.id, done ? 'Succeeded' : 'Failed', (internal) => {
          if (!done) return
          internal.previousKeys = []
          internal.rotatedAt = plane.clock.now().toISOString()
        })
      })
    },
  }
}

function unfinished(of: number, failures: ErrorDetail[]): ServiceError {
  const [first] = failures
  return new ServiceError({
    code: 'DiskEncryptionSetRotationFailed',
    message: (
      `${failures.length} of ${of} guest states were not rewrapped with the new key. The set keeps both keys, and ` +
      `each virtual machine starts with the one it has. ${first?.message ?? ''}`
    ).trim(),
    details: failures,
    expected: 'every guest state wrapped with the new key',
    found: `${failures.length} wrapped with an earlier one`,
    remedy: `${first?.innererror?.remedy ?? 'Fix what failed.'} Then set the same key again to continue, or the earlier one to go back.`,
  })
}

/** Rewraps one VM's guest state under its set's active key. Idempotent. */
export function rewrapSaga(plane: Plane): SagaDefinition<VmParams> {
  return {
    kind: 'vm.rewrap',
    steps: [
      {
        name: 'wrap the guest state again',
        do: async (c) => {
          const vm = await plane.resources.find<VmInternal>(c.params.id)
          // A deleted VM has nothing to wrap.
          if (vm?.internal.vmId !== c.params.vmId) return
          const customerKey = await customerKeyOf(plane, vm)
          if (customerKey === undefined) return
          const { guestStateWrappedBy } = await plane.host.rewrap(c.params.vmId, customerKey)
          await changeVm(plane, c.params, (changed) => {
            if (guestStateWrappedBy !== undefined) changed.internal.customerKeyId = guestStateWrappedBy
          })
        },
      },
    ],
  }
}
