import { randomBytes, randomUUID, X509Certificate } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  cpuModels,
  isOrdinary,
  type AnyBootEvidence,
  type GuestHealth,
  type ImageRecord,
  type InstanceSpec,
  type OrdinarySpec,
} from '@strongroom/contract'
import { freePort, ServiceError } from '@strongroom/platform'
import { confinementNotices } from '../confinement/notices.ts'
import { giveTo } from '../confinement/vm-user.ts'
import { startGuestDoors } from '../network/guest-doors.ts'
import { startMetadataServer } from '../network/metadata-server.ts'
import { startedUpdate } from '../paravisor/judge-updates.ts'
import { verifyBootReport } from '../paravisor/measured-boot.ts'
import { openGuest, type OpenedGuest } from '../paravisor/open-guest.ts'
import { openStateless, type OpenedStateless } from '../paravisor/open-stateless.ts'
import { RunningGuest, type PoweredState } from '../paravisor/running-guest.ts'
import { rewrap } from '../paravisor/unseal.ts'
import type { Acceleration } from '../qemu/arguments.ts'
import { fitToHost } from '../qemu/capacity.ts'
import { readFirmware } from '../qemu/firmware.ts'
import { machineRegister } from '../qemu/reference-machine.ts'
import { SerialLog, type GuestConsole } from '../qemu/serial-log.ts'
import { stopSwtpm } from '../tpm/swtpm.ts'
import type { CommandQueue } from '../network/command-queue.ts'
import { makeEmpty } from '../disks/sparse.ts'
import { disksAtBoot } from './data-disks.ts'
import { makeRuntime, sweepRuntime, type Runtime, type VmFiles } from './layout.ts'
import { openOrdinary, type OpenedOrdinary } from './ordinary-guest.ts'
import { imageOfVm } from './provision.ts'
import type { InstanceRecord } from './record.ts'
import type { HostServices } from './services.ts'

export interface Booted {
  guest: RunningGuest
  console: GuestConsole
  acceleration: Acceleration
  launched: NonNullable<InstanceRecord['launched']>
  notices: string[]
  sshPort: number
  /** See OpenedGuest. */
  opensFor: Record<string, string>[] | undefined
  startsOtherOnce: boolean
}

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
  /** Called when it was refused; the guest receives the refusal as well. */
  onRefused(error: ServiceError): void
}

/** One boot, from the paravisor to power-on. A failure leaves nothing in clear and nothing running. */
export async function boot(o: BootRequest): Promise<Booted> {
  const { services, record, files } = o
  const { spec } = record
  await services.firmware?.ensure()
  await services.disks.fetchImage(spec, o.signal)
  const image = await imageOfVm(services, spec, files)
  const { acceleration, notice } = await services.acceleration()
  const fitted = await fitToHost(spec.size)
  await sweepRuntime(spec.vmId)
  const runtime = await makeRuntime(spec.vmId)
  const { runtimeDir, user } = runtime
  // Concurrent with the release of the key, which takes longer.
  const machine = machineRegister({
    acceleration,
    cpuModel: cpuModelOf(spec),
    vCPUs: fitted.vCPUs,
    memoryMiB: fitted.memoryMiB,
    ...(spec.interfaces !== undefined && { interfaces: spec.interfaces }),
    runtimeDir,
  })
  machine.catch(() => {})
  let opened: PoweredState | undefined
  const endpoints: { close(): Promise<void> }[] = []
  try {
    await services.disks.fetchState(spec, files)
    const powered = isOrdinary(spec)
      ? await openOrdinary({
          spec,
          image,
          files,
          sealer: services.sealer,
          ...runtime,
          machine,
          step: (name) => o.step(name),
        })
      : await openConfidential(o, { spec, image, ...runtime, machine, vCPUs: fitted.vCPUs })
    opened = powered
    if (record.sealedTo !== undefined)
      record.sealedTo = { ...record.sealedTo, 1: Buffer.from(await machine).toString('hex') }
    o.step('Power on')
    const socket = (name: string): string => join(runtimeDir, name)
    const doors = {
      metadata: socket('metadata'),
      time: socket('time'),
      proxy: socket('proxy'),
      services: socket('services'),
      web: socket('web'),
      names: socket('names'),
    }
    const tlsPort = services.installation.ports.tls
    let reported = false
    const gate = { tlsPort, vmId: spec.vmId, reported: () => reported }
    const reporting: BootRequest = {
      ...o,
      onReady: async (evidence) => {
        await o.onReady(evidence)
        reported = true
      },
    }
    endpoints.push(
      ...(await startGuestDoors({ doors, ...gate, now: () => services.clock.now() })),
      'akPublic' in powered
        ? await serveOrdinary(reporting, powered, doors.metadata)
        : await serveMetadata(reporting, { opened: powered, image, socket: doors.metadata }),
    )
    for (const door of Object.values(doors)) await giveTo(door, user)
    const cpuModel = cpuModelOf(spec)
    const osDisk = await services.disks.open(spec, files, runtime)
    endpoints.push(osDisk)
    const dataDisks = await disksAtBoot(services.stateDir, record)
    const { temporaryGiB } = spec.size
    if (temporaryGiB !== undefined) await makeEmpty(files.temporaryDisk, temporaryGiB * 2 ** 30)
    const sshPort = await freePort(record.sshPort)
    const console = await SerialLog.start({ fifo: socket('console'), path: files.serialLog, logger: services.logger })
    endpoints.push(console)
    const guest = await RunningGuest.powerOn({
      opened,
      ...runtime,
      endpoints,
      errorLog: files.qemuLog,
      logger: services.logger,
      machine: {
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
        ...(temporaryGiB !== undefined && { temporaryDisk: files.temporaryDisk }),
        ...(opened.tpm !== undefined && { tpmSocket: opened.tpm.controlSocket }),
        serialLog: socket('console'),
        network: {
          macAddress: spec.network.macAddress,
          ...(spec.interfaces !== undefined && { interfaces: spec.interfaces }),
          sshPort,
          doors,
        },
      },
    }).catch((error: unknown) => {
      // powerOn has already ended the vTPM and closed the guest state.
      opened = undefined
      throw error
    })
    // Without a name it disappears with QEMU, however that ends.
    await rm(files.temporaryDisk, { force: true })
    const launched = {
      vCPUs: fitted.vCPUs,
      memoryMiB: fitted.memoryMiB,
      acceleration,
      cpuModel,
      ...('launchMeasurement' in powered && { launchMeasurement: powered.launchMeasurement }),
    }
    return {
      guest,
      console,
      acceleration,
      launched,
      notices: [...fitted.notices, ...(notice === undefined ? [] : [notice]), ...confinementNotices(user)],
      sshPort,
      opensFor: 'updates' in powered ? powered.opensFor : undefined,
      startsOtherOnce: 'updates' in powered && powered.startsOtherOnce,
    }
  } catch (error) {
    for (const endpoint of endpoints) await endpoint.close()
    try {
      if (opened?.tpm !== undefined) await stopSwtpm(opened.tpm)
      await opened?.state.close()
    } finally {
      await machine.catch(() => {})
      await rm(runtimeDir, { recursive: true, force: true })
      await rm(files.temporaryDisk, { force: true })
    }
    throw error
  }
}

async function openConfidential(
  o: BootRequest,
  at: Runtime & { spec: InstanceSpec; image: ImageRecord; machine: Promise<Uint8Array>; vCPUs: number },
): Promise<OpenedGuest | OpenedStateless> {
  const { services, record, files } = o
  if (services.silicon === undefined) throw noHardware()
  const common = {
    ...services,
    ...at,
    silicon: services.silicon,
    now: () => services.clock.now(),
    bootId: randomUUID(),
    step: (name: string) => o.step(name),
    signal: o.signal,
  }
  if (at.spec.security.encryption === 'NonPersistedTPM') return await openStateless(common)
  return await openGuest({
    ...common,
    tenantId: services.installation.tenantId,
    guestStatePath: files.guestState,
    identity: record.identity && publicKeysOf(record.identity),
  })
}

/** Ordinary sizes with an `a` in their name are AMD's, by Azure's naming. */
const cpuModelOf = (spec: BootRequest['record']['spec']): string =>
  cpuModels[isOrdinary(spec) ? (/^Standard_[A-Z]+\d+a/.test(spec.size.name) ? 'SNP' : 'TDX') : spec.tee]

/** A VM that is not confidential: its measurements are checked if it has a vTPM, and no evidence is produced. */
async function serveOrdinary(
  o: BootRequest,
  opened: OpenedOrdinary,
  socket: string,
): Promise<{ close(): Promise<void> }> {
  const { services, commands } = o
  const spec = o.record.spec as OrdinarySpec
  const nonce = randomBytes(32)
  const { akPublic, expected } = opened
  const refusing = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work()
    } catch (error) {
      if (error instanceof ServiceError) o.onRefused(error)
      throw error
    }
  }
  const { silicon: _none, ...common } = services
  return await startMetadataServer({
    ...common,
    socket,
    onHealth: (health) => o.onHealth(health),
    dataDisks: () => o.record.dataDisks ?? [],
    spec,
    nonce,
    commands,
    onReady: async (report) =>
      await refusing(async () => {
        if (akPublic === undefined) throw new TypeError('there is no vTPM')
        const at = services.clock.now()
        await verifyBootReport({ report, nonce, akPublic, expected, encrypted: false, at })
        await o.onReady(undefined)
      }),
    ...(akPublic === undefined && {
      onReadyWithoutTpm: async (given: Uint8Array) =>
        await refusing(async () => {
          if (!nonce.equals(given)) throw anotherNonce()
          await o.onReady(undefined)
        }),
    }),
  })
}

const anotherNonce = (): ServiceError =>
  new ServiceError({
    code: 'BootReportRefused',
    message: "The guest's boot report was refused: its nonce is not of this boot.",
    target: 'nonce',
    remedy: 'Start the VM again.',
  })

async function serveMetadata(
  o: BootRequest,
  { opened, image, socket }: { opened: OpenedGuest | OpenedStateless; image: ImageRecord; socket: string },
): Promise<{ close(): Promise<void> }> {
  const { services } = o
  const spec = o.record.spec as InstanceSpec
  const { silicon } = services
  if (silicon === undefined) throw noHardware()
  const nonce = randomBytes(32)
  const volume = o.record.volume === undefined ? undefined : Buffer.from(o.record.volume, 'hex')
  return await startMetadataServer({
    ...services,
    socket,
    spec,
    silicon,
    commands: o.commands,
    akSpki: certifiedKey(opened.evidence.vtpm.akCertificatePem),
    report: opened.report,
    nonce,
    onHealth: (health) => o.onHealth(health),
    dataDisks: () => o.record.dataDisks ?? [],
    onReady: async (report) => {
      try {
        const update = 'updates' in opened ? startedUpdate(opened.updates, report.pcrs) : undefined
        const { measuredBoot, opened: mapped } = await verifyBootReport({
          report,
          nonce,
          akPublic: Buffer.from(opened.evidence.vtpm.akPublic, 'base64url'),
          expected: update?.expected ?? opened.expected,
          ...(volume && { volume }),
          encrypted: spec.security.encryption === 'DiskWithVMGuestState',
          at: services.clock.now(),
        })
        const expected = { ...opened.evidence.expected, ...update?.shown.expected, ...(volume && { volume: volume.toString('hex') }) } // prettier-ignore
        const measurements = await services.measurements.predicting(image, {
          registers: opened.expected.atReady,
          secureBoot: spec.security.secureBoot,
        })
        const evidence: AnyBootEvidence = {
          ...opened.evidence,
          ...update?.shown.facts,
          measurements,
          expected,
          measuredBoot,
        }
        if (mapped !== undefined) {
          const { cipher, keyBits, sectorBytes: sector, luksUuid } = mapped
          evidence.osDisk = { ...evidence.osDisk, opened: { cipher, keyBits, sectorBytes: sector, luksUuid } }
        }
        await o.onReady(evidence)
      } catch (error) {
        if (error instanceof ServiceError) o.onRefused(error)
        throw error
      }
    },
  })
}

/** SubjectPublicKeyInfo of a PEM certificate. */
function certifiedKey(pem: string): Uint8Array {
  return Uint8Array.from(new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' }))
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

function noHardware(): ServiceError {
  return new ServiceError({
    code: 'HardwareModeNotBuilt',
    message:
      'This installation is in hardware mode, and confidential VMs on real SEV-SNP or TDX hardware are not built yet.',
    expected: 'an installation in simulated mode',
    found: 'hardware mode',
    remedy: 'Create an installation in simulated mode in another state directory; this one verifies evidence only.',
  })
}
