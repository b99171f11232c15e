import { cpuModels, isOrdinary, type AnyBootEvidence, type GuestHealth, type ImageRecord } from '@strongroom/contract'
import type { Machine } from '@strongroom/evidence/expected'
import type { ServiceError } from '@strongroom/platform'
import type { CommandQueue } from '../network/command-queue.ts'
import type { Acceleration } from '../qemu/arguments.ts'
import { fitToHost } from '../qemu/capacity.ts'
import { machineOf } from '../qemu/machine-shape.ts'
import { makeRuntime, sweepRuntime, type Runtime, type VmFiles } from '../records/layout.ts'
import { imageOfVm } from './provision.ts'
import type { InstanceRecord } from '../records/record.ts'
import type { HostServices } from './services.ts'

export interface BootRequest {
  services: HostServices
  record: InstanceRecord
  files: VmFiles
  step(name: string): void
  signal: AbortSignal
  commands: CommandQueue
  /** Called when the guest's boot report is verified. */
  onReady(evidence: AnyBootEvidence | undefined): Promise<void>
  /** Called with the guest's health report. */
  onHealth(health: GuestHealth): void
  /** Called on a refusal, which the guest also receives. */
  onRefused(error: ServiceError): void
}

/** A boot's inputs, before anything of the VM is opened. */
export interface BootPlan {
  image: ImageRecord
  acceleration: Acceleration
  cpuModel: string
  fitted: Awaited<ReturnType<typeof fitToHost>>
  /** This host's description for the guest. */
  notice: string | undefined
  runtime: Runtime
  /** What the VM will run on. */
  machine: Machine
}

/** Image, processors and directory of a boot. Removes what an earlier server left of the VM in memory. */
export async function planBoot({ services, record, files, signal }: BootRequest): Promise<BootPlan> {
  const { spec } = record
  await services.firmware?.ensure()
  await services.disks.fetchImage(spec, signal)
  const image = await imageOfVm(services, spec, files)
  const { acceleration, notice } = await services.acceleration()
  const fitted = await fitToHost(spec.size)
  await sweepRuntime(spec.vmId)
  const runtime = await makeRuntime(spec.vmId)
  const cpuModel = cpuModelOf(spec)
  const { interfaces } = spec
  const machine = machineOf({ cpuModel, ...fitted, ...(interfaces !== undefined && { interfaces }) })
  return { image, acceleration, cpuModel, fitted, notice, runtime, machine }
}

/** Ordinary sizes with an `a` in their name are AMD's, by Azure's naming. */
const cpuModelOf = (spec: BootRequest['record']['spec']): string =>
  cpuModels[isOrdinary(spec) ? (/^Standard_[A-Z]+\d+a/.test(spec.size.name) ? 'SNP' : 'TDX') : spec.tee]
