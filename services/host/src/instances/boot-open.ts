import { randomUUID } from 'node:crypto'
import { isOrdinary, type InstanceSpec } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import { openGuest, type OpenedGuest, openStateless, type OpenedStateless, rewrap } from '@strongroom/paravisor'
import { fitToHost } from '../qemu/capacity.ts'
import { readFirmware } from '@strongroom/paravisor/expected'
import type { BootPlan, BootRequest } from './boot-plan.ts'
import type { VmFiles } from '../records/layout.ts'
import { openOrdinary, type OpenedOrdinary } from './ordinary-guest.ts'
import type { InstanceRecord } from '../records/record.ts'
import type { HostServices } from './services.ts'

/** What a boot is powered on with, depending on whether the VM is confidential and keeps its guest state. */
export type OpenedVm =
  | { kind: 'kept'; opened: OpenedGuest }
  | { kind: 'stateless'; opened: OpenedStateless }
  | { kind: 'ordinary'; opened: OpenedOrdinary }

/** Opens the state that a VM's boots begin with. A failure leaves nothing in clear and nothing running. */
export async function openVm(o: BootRequest, plan: BootPlan): Promise<OpenedVm> {
  const { spec } = o.record
  if (!isOrdinary(spec)) return await openConfidential(o, plan, spec)
  const { sealer } = o.services
  const step = (name: string): void => o.step(name)
  const { image, machine, runtime } = plan
  const opened = await openOrdinary({ spec, image, files: o.files, sealer, ...runtime, machine, step })
  return { kind: 'ordinary', opened }
}

async function openConfidential(o: BootRequest, plan: BootPlan, spec: InstanceSpec): Promise<OpenedVm> {
  const { services, record, files } = o
  const { image, machine, runtime } = plan
  if (services.silicon === undefined) throw noHardware()
  const common = {
    ...services,
    ...runtime,
    spec,
    image,
    machine,
    vCPUs: plan.fitted.vCPUs,
    silicon: services.silicon,
    now: () => services.clock.now(),
    bootId: randomUUID(),
    step: (name: string) => o.step(name),
    signal: o.signal,
  }
  if (spec.security.encryption === 'NonPersistedTPM') return { kind: 'stateless', opened: await openStateless(common) }
  const opened = await openGuest({
    ...common,
    tenantId: services.installation.tenantId,
    guestStatePath: files.guestState,
    identity: record.identity && publicKeysOf(record.identity),
  })
  return { kind: 'kept', opened }
}

const publicKeysOf = (
  identity: NonNullable<InstanceRecord['identity']>,
): { akSpki: Uint8Array; ekSpki: Uint8Array } => ({
  akSpki: Buffer.from(identity.akSpki, 'base64'),
  ekSpki: Buffer.from(identity.ekSpki, 'base64'),
})

/** Rewraps the guest state under the first key of the VM's disk-encryption set. @returns the key's identifier */
export async function rewrapGuestState(o: {
  services: HostServices
  record: InstanceRecord
  files: VmFiles
  signal: AbortSignal
}): Promise<string> {
  const { services, record } = o
  if (services.silicon === undefined) throw noHardware()
  const { spec } = record
  if (record.identity === undefined || isOrdinary(spec))
    throw new TypeError('a provisioned confidential VM has the public keys of its vTPM')
  // The vault releases no key without the list, which a VM that never booted has not needed yet.
  await services.firmware?.ensure()
  const { vCPUs } = await fitToHost(record.spec.size)
  return await rewrap({
    ...services,
    silicon: services.silicon,
    tenantId: services.installation.tenantId,
    now: () => services.clock.now(),
    spec,
    guestStatePath: o.files.guestState,
    firmware: await readFirmware(),
    vCPUs,
    identity: publicKeysOf(record.identity),
    step: (step) => services.logger.info({ vmId: record.spec.vmId, step }, 'rewrapping a guest state'),
    signal: o.signal,
  })
}

export function noHardware(): ServiceError {
  return new ServiceError({
    code: 'HardwareModeNotBuilt',
    message:
      'This installation is in hardware mode, and confidential VMs on real SEV-SNP or TDX hardware are not built yet.',
    expected: 'an installation in simulated mode',
    found: 'hardware mode',
    remedy: 'Create an installation in simulated mode in another state directory; this one verifies evidence only.',
  })
}
