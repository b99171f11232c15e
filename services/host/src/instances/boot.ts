import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { AnyBootEvidence } from '@strongroom/contract'
import { predictMachine } from '@strongroom/evidence/expected'
import { freePort } from '@strongroom/platform'
import { confinementNotices } from '../confinement/notices.ts'
import { makeEmpty } from '../disks/sparse.ts'
import { inHex, type PoweredState } from '@strongroom/paravisor'
import { RunningGuest } from '../qemu/running-guest.ts'
import type { Acceleration, MachineOptions } from '../qemu/arguments.ts'
import type { Doors } from '../qemu/guest-network.ts'
import { SerialLog, type GuestConsole } from '../qemu/serial-log.ts'
import { stopSwtpm } from '@strongroom/paravisor/tpm'
import { openVm, type OpenedVm } from './boot-open.ts'
import { planBoot, type BootPlan, type BootRequest } from './boot-plan.ts'
import { serveGuest, type Endpoint } from './boot-serve.ts'
import { DiskDoors } from '../disks/disk-doors.ts'
import { disksAtBoot } from './data-disks.ts'
import type { InstanceRecord } from '../records/record.ts'

export { rewrapGuestState } from './boot-open.ts'
export type { BootRequest } from './boot-plan.ts'

export interface Booted {
  guest: RunningGuest
  console: GuestConsole
  acceleration: Acceleration
  launched: NonNullable<InstanceRecord['launched']>
  notices: string[]
  sshPort: number
  /** What its boot showed, once it has reported. */
  shown: () => AnyBootEvidence | undefined
  /** See OpenedGuest. */
  opensFor: Record<string, string>[] | undefined
  startsOtherOnce: boolean
}

/** What a failed boot must release. */
interface Held {
  endpoints: Endpoint[]
  opened?: PoweredState | undefined
}

/** One boot: plan → open → serve → attach → power on. A failure leaves nothing in clear and nothing running. */
export async function boot(o: BootRequest): Promise<Booted> {
  const { services, record, files } = o
  const plan = await planBoot(o)
  const held: Held = { endpoints: [] }
  let shown: AnyBootEvidence | undefined
  const onReady: BootRequest['onReady'] = async (evidence) => {
    await o.onReady(evidence)
    shown = evidence
  }
  try {
    await services.disks.fetchState(record.spec, files)
    const vm = await openVm(o, plan)
    held.opened = vm.opened
    const settled = vm.kind === 'kept' ? vm.opened.variables : undefined
    if (record.sealedTo !== undefined)
      record.sealedTo = { ...record.sealedTo, ...inHex({ ...settled?.now, 1: await predictMachine(plan.machine) }) }
    o.step('Power on')
    const doors = await serveGuest({ ...o, onReady }, plan, vm, held.endpoints)
    const attached = await attach(o, plan, held.endpoints)
    const machine = machineOf(o, plan, { vm, doors, attached })
    const guest = await powerOn(o, plan, { held, machine, diskDoors: attached.diskDoors })
    return {
      guest,
      console: attached.console,
      acceleration: plan.acceleration,
      launched: launchedOf(plan, vm),
      notices: [
        ...plan.fitted.notices,
        ...(plan.notice === undefined ? [] : [plan.notice]),
        ...confinementNotices(plan.runtime.user),
        ...(vm.kind === 'kept' ? vm.opened.notices : []),
      ],
      sshPort: attached.sshPort,
      shown: () => shown,
      opensFor: vm.kind === 'kept' ? vm.opened.opensFor : undefined,
      startsOtherOnce: vm.kind === 'kept' && vm.opened.startsOtherOnce,
    }
  } catch (error) {
    await giveBack(o, plan, held)
    throw error
  }
}

/** The devices attached to a guest. */
interface Attached {
  osDisk: Awaited<ReturnType<BootRequest['services']['disks']['open']>>
  dataDisks: Awaited<ReturnType<typeof disksAtBoot>>
  diskDoors: DiskDoors
  temporaryDisk: string | undefined
  sshPort: number
  console: GuestConsole
  /** Where the console's text goes. */
  serialLog: string
}

async function attach(o: BootRequest, { runtime }: BootPlan, endpoints: Endpoint[]): Promise<Attached> {
  const { services, record, files } = o
  const { spec } = record
  const osDisk = await services.disks.open(spec, files, runtime)
  endpoints.push(osDisk)
  const diskDoors = new DiskDoors()
  endpoints.push(diskDoors)
  const dataDisks = await disksAtBoot(services, record, { place: runtime, doors: diskDoors })
  const { temporaryGiB } = spec.size
  if (temporaryGiB !== undefined) await makeEmpty(files.temporaryDisk, temporaryGiB * 2 ** 30)
  const sshPort = await freePort(record.sshPort)
  const serialLog = join(runtime.runtimeDir, 'console')
  const console = await SerialLog.start({ fifo: serialLog, path: files.serialLog, logger: services.logger })
  endpoints.push(console)
  const temporaryDisk = temporaryGiB === undefined ? undefined : files.temporaryDisk
  return { osDisk, dataDisks, diskDoors, temporaryDisk, sshPort, console, serialLog }
}

function machineOf(
  { record: { spec } }: BootRequest,
  { acceleration, cpuModel, fitted }: BootPlan,
  { vm: { opened }, doors, attached }: { vm: OpenedVm; doors: Doors; attached: Attached },
): MachineOptions {
  const { osDisk, dataDisks, temporaryDisk, sshPort, serialLog } = attached
  const { macAddress } = spec.network
  return {
    name: spec.name,
    vmId: spec.vmId,
    acceleration,
    cpuModel,
    vCPUs: fitted.vCPUs,
    memoryMiB: fitted.memoryMiB,
    firmware: opened.files.firmware,
    variables: opened.files.variables,
    disk: osDisk.disk,
    dataDisks,
    ...(temporaryDisk !== undefined && { temporaryDisk }),
    ...(opened.tpm !== undefined && { tpmSocket: opened.tpm.controlSocket }),
    serialLog,
    network: { macAddress, ...(spec.interfaces !== undefined && { interfaces: spec.interfaces }), sshPort, doors },
  }
}

async function powerOn(
  { services, files }: BootRequest,
  { runtime }: BootPlan,
  { held, machine, diskDoors }: { held: Held; machine: MachineOptions; diskDoors: DiskDoors },
): Promise<RunningGuest> {
  const { opened, endpoints } = held
  if (opened === undefined) throw new TypeError('what is powered on is opened first')
  // If it fails, powerOn ends the vTPM and closes the guest state itself.
  held.opened = undefined
  const { logger } = services
  const errorLog = files.qemuLog
  const guest = await RunningGuest.powerOn({ opened, ...runtime, diskDoors, endpoints, errorLog, logger, machine })
  held.opened = opened
  // Without a name it disappears with QEMU, however that ends.
  await rm(files.temporaryDisk, { force: true })
  return guest
}

const launchedOf = ({ fitted, acceleration, cpuModel }: BootPlan, vm: OpenedVm): Booted['launched'] => ({
  vCPUs: fitted.vCPUs,
  memoryMiB: fitted.memoryMiB,
  acceleration,
  cpuModel,
  ...(vm.kind !== 'ordinary' && { launchMeasurement: vm.opened.launchMeasurement }),
})

async function giveBack({ files }: BootRequest, plan: BootPlan, { endpoints, opened }: Held): Promise<void> {
  for (const endpoint of endpoints) await endpoint.close()
  try {
    if (opened?.tpm !== undefined) await stopSwtpm(opened.tpm)
    await opened?.state.close()
  } finally {
    await rm(plan.runtime.runtimeDir, { recursive: true, force: true })
    await rm(files.temporaryDisk, { force: true })
  }
}
