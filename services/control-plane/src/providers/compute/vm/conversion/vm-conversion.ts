import { setTimeout as sleep } from 'node:timers/promises'
import { isOrdinary, type AskedBy, type Tee } from '@strongroom/contract'
import { type Operation, type SagaDefinition, type StepContext } from '@strongroom/platform'
import { begin } from '../../../../arm/operations.ts'
import { notAllowed } from '../../../../arm/refusals.ts'
import { refuse, type Problem } from '../../../../arm/fields.ts'
import type { Plane } from '../../../../types/plane.ts'
import { conversionProblems, isConversion } from './conversion-rules.ts'
import { findSize, hostSize, type Size } from '../../size/sizes.ts'
import { attestationUri } from '../model/vm-attestation.ts'
import type { Vm, VmInternal, VmModel } from '../model/vm-model.ts'
import { changeVm, refreshBody, setState, type VmParams, changeStanding } from '../model/vm-record.ts'

/** One side of a conversion. */
interface Side {
  tee: Tee
  vmSize: string
  keyId: string
}

export interface ConversionParams extends VmParams {
  from: Side
  to: Omit<Side, 'keyId'>
  tags: Record<string, string>
}

/** The sizes of a change to other silicon; undefined for any other change. */
export function conversionOf(before: VmModel, vmSize: string | undefined): { from: Size; to: Size } | undefined {
  const [from, to] = [findSize(before.vmSize), findSize(vmSize ?? '')]
  return from !== undefined && to !== undefined && isConversion(from, to) ? { from, to } : undefined
}

/** Everything that prevents converting this VM. */
export async function conversionRefusals(plane: Plane, vm: Vm, sizes: { from: Size; to: Size }): Promise<Problem[]> {
  const image = (await plane.host.images()).find(({ id }) => id === vm.internal.imageId)
  return conversionProblems({ ...sizes, location: vm.location, image })
}

/**
 * Begins to convert a deallocated VM between AMD SEV-SNP and Intel TDX (S19). The other family's quota is checked
 * before anything is done.
 * @param changed names of the properties that the request changes
 */
export async function convertVm(
  plane: Plane,
  asker: AskedBy,
  vm: Vm,
  o: { to: Size; tags: Record<string, string>; changed: string[]; running: Operation | undefined },
): Promise<{ vm: Vm; operation: Operation }> {
  const { internal } = vm
  const others = o.changed.filter((name) => !['hardwareProfile.vmSize', 'tags'].includes(name))
  if (others.length > 0) throw refuse([alone(others)])
  if (!internal.deallocated || o.running !== undefined) throw refuse([notDeallocated(vm, o.running)])
  if (!internal.provisioned || internal.keyId === undefined) throw refuse([notMade(vm)])
  const { tee } = internal
  if (tee === undefined || o.to.tee === undefined) throw new TypeError('only confidential VMs convert')
  const params: ConversionParams = {
    id: vm.id,
    vmId: internal.vmId,
    asker,
    from: { tee, vmSize: internal.model.vmSize, keyId: internal.keyId },
    to: { tee: o.to.tee, vmSize: o.to.name },
    tags: o.tags,
  }
  return await plane.resources.transaction(async (tx) => {
    // A deallocated VM reserves no cores: it only has to be able to start again.
    await plane.quotas.reserve(tx, { owner: vm.key, region: vm.location, size: o.to })
    await plane.quotas.release(tx, vm.key)
    const changed = await changeStanding(plane, tx, vm, (current) => {
      current.body.properties['provisioningState'] = 'Updating'
    })
    const operation = await begin(plane.runner, tx, 'vm.convert', { resource: vm, asker }, params)
    return { vm: changed, operation }
  })
}

/**
 * A separate key under the new technology; the host opens the guest state under the old one and verifies that it opens
 * under the new one before dropping the old state; then the record is updated, and the old key is destroyed. A failure
 * undoes all of it.
 */
export function convertSaga(plane: Plane): SagaDefinition<ConversionParams> {
  return {
    kind: 'vm.convert',
    steps: [
      {
        name: 'create platform key for the other technology',
        do: async ({ params }) => {
          const vm = await plane.resources.get<VmInternal>(params.id)
          const keyId = await plane.keys.ensure({
            vmId: params.vmId,
            tee: params.to.tee,
            authority: attestationUri(vm.internal.model),
            converted: true,
            asker: params.asker,
          })
          return { keyId }
        },
        // One place that undoes everything, because a step that fails half way is not undone itself.
        undo: async (c) => {
          const status = await plane.host.find(c.params.vmId)
          if (status !== undefined && !isOrdinary(status.spec) && status.spec.tee !== c.params.from.tee)
            await rewrap(plane, c, c.params.from)
          if (typeof c.data['keyId'] === 'string') await plane.keys.destroyKey(c.params.asker, c.data['keyId'])
        },
      },
      {
        name: 'open guest state on the old silicon, wrap it for the new, open it there',
        do: async (c) => {
          await rewrap(plane, c, { ...c.params.to, keyId: keyOfConversion(c) })
        },
      },
      {
        name: 'record size and technology',
        do: async (c) => await record(plane, c.params, { ...c.params.to, keyId: keyOfConversion(c) }, c.params.tags),
        undo: async (c) => await record(plane, c.params, c.params.from),
      },
      {
        name: 'destroy platform key of the old technology',
        do: async (c) => await destroyOldKey(plane, c),
      },
    ],
    onFinished: async ({ params }) => await setState(plane, params, 'Succeeded'),
  }
}

/** Copies of the old guest state are older than the generation reported for the old key: should that key remain, it opens nothing. */
async function destroyOldKey(plane: Plane, c: StepContext<ConversionParams>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await plane.keys.destroyKey(c.params.asker, c.params.from.keyId)
    } catch (error) {
      c.signal.throwIfAborted()
      if (attempt >= 3) return c.log.warn({ err: error }, 'the old key stays until its VM is deleted')
      await sleep(plane.pollMs, undefined, { signal: c.signal })
    }
  }
}

async function rewrap(plane: Plane, c: StepContext<ConversionParams>, side: Side): Promise<void> {
  const size = findSize(side.vmSize)
  if (size === undefined) throw new TypeError(`the size ${side.vmSize} is gone`)
  await plane.host.convert(c.params.vmId, {
    tee: side.tee,
    size: hostSize(size),
    guestStateKey: side.keyId,
  })
}

async function record(
  plane: Plane,
  params: ConversionParams,
  side: Side,
  tags?: Record<string, string>,
): Promise<void> {
  await changeVm(plane, params, (vm) => {
    vm.internal.tee = side.tee
    vm.internal.keyId = side.keyId
    vm.internal.model = { ...vm.internal.model, vmSize: side.vmSize, ...(tags !== undefined && { tags }) }
    refreshBody(vm)
  })
}

function keyOfConversion(c: StepContext<ConversionParams>): string {
  const { keyId } = c.data
  if (typeof keyId !== 'string') throw new TypeError('the guest state is wrapped after its key was made')
  return keyId
}

const alone = (others: string[]): Problem => ({
  code: 'OperationNotAllowed',
  status: 409,
  message: `A size of the other technology must be the only change: the request changes '${others.join("', '")}' as well.`,
  target: 'properties.hardwareProfile.vmSize',
  expected: 'hardwareProfile.vmSize and tags',
  found: others.join(', '),
  remedy: 'Convert the VM first, then change the rest.',
  rule: 'S19',
})

const notDeallocated = (vm: Vm, running: Operation | undefined): Problem => ({
  code: 'OperationNotAllowed',
  status: 409,
  message: `Unable to convert VM '${vm.name}' between AMD SEV-SNP and Intel TDX: it must be deallocated.`,
  target: 'properties.hardwareProfile.vmSize',
  expected: 'a deallocated VM',
  found: running === undefined ? 'an allocated VM' : `${running.kind} in progress`,
  remedy: 'Deallocate the VM (az vm deallocate), convert it, then start it again.',
  rule: 'S19',
})

const notMade = (vm: Vm): Problem => ({
  code: 'OperationNotAllowed',
  status: 409,
  message: `The virtual machine '${vm.name}' has no disk: its creation failed.`,
  target: 'properties.hardwareProfile.vmSize',
  expected: 'a VM with disk and guest state',
  found: 'none',
  remedy: 'Repeat the PUT that creates it, or delete it.',
  rule: 'S19',
})

/** What changes a VM's guest state or disk while it is off. */
const changing = new Map([
  ['vm.convert', 'is being converted'],
  ['vm.rekey', 'is getting a new volume key'],
])

/** A VM whose silicon or volume key is being changed must not start or change otherwise. */
export function assertNotConverting(vm: Vm, running: Operation | undefined): void {
  const doing = running && changing.get(running.kind)
  if (running === undefined || doing === undefined) return
  throw notAllowed(`The virtual machine '${vm.name}' ${doing}.`, {
    found: `${running.kind} in progress`,
    remedy: 'Wait until it ends.',
  })
}
