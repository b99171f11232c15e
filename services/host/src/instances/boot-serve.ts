import { randomBytes, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { AnyBootEvidence, InstanceSpec, OrdinarySpec } from '@strongroom/contract'
import { ServiceError, giveTo } from '@strongroom/platform'
import { type BootReport, startedUpdate, variableFacts, verifyBootReport } from '@strongroom/paravisor'
import { startGuestDoors } from '../network/doors/guest-doors.ts'
import { startMetadataServer } from '../network/metadata-server.ts'
import type { Doors } from '../qemu/guest-network.ts'
import { noHardware, type OpenedVm } from './boot-open.ts'
import type { BootPlan, BootRequest } from './boot-plan.ts'
import type { OpenedOrdinary } from './ordinary-guest.ts'

/** What a boot started and must close at its end. */
export interface Endpoint {
  close(): Promise<void>
}

/** Confidential VMs: their boots produce evidence. */
type Confidential = Exclude<OpenedVm, { kind: 'ordinary' }>

/** Starts everything that the guest's network leads to. @param endpoints collects what was started, even if a later step fails */
export async function serveGuest(o: BootRequest, plan: BootPlan, vm: OpenedVm, endpoints: Endpoint[]): Promise<Doors> {
  const { services } = o
  const { vmId } = o.record.spec
  const socket = (name: string): string => join(plan.runtime.runtimeDir, name)
  const doors = {
    metadata: socket('metadata'),
    time: socket('time'),
    proxy: socket('proxy'),
    services: socket('services'),
    web: socket('web'),
    names: socket('names'),
  }
  let reported = false
  const gate = { tlsPort: services.installation.ports.tls, vmId, reported: () => reported }
  const onReady = async (evidence: AnyBootEvidence | undefined): Promise<void> => {
    await o.onReady(evidence)
    reported = true
  }
  const reporting: BootRequest = { ...o, onReady }
  endpoints.push(...(await startGuestDoors({ doors, ...gate, now: () => services.clock.now() })))
  endpoints.push(
    vm.kind === 'ordinary'
      ? await serveOrdinary(reporting, vm.opened, doors.metadata)
      : await serveConfidential(reporting, plan, vm, doors.metadata),
  )
  for (const door of Object.values(doors)) await giveTo(door, plan.runtime.user)
  return doors
}

/** Records a refusal, which the guest also receives. */
async function refusing(o: BootRequest, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof ServiceError) o.onRefused(error)
    throw error
  }
}

/** A VM that is not confidential: its measurements are checked if it has a vTPM, and no evidence is produced. */
async function serveOrdinary(o: BootRequest, opened: OpenedOrdinary, socket: string): Promise<Endpoint> {
  const { services, commands } = o
  const spec = o.record.spec as OrdinarySpec
  const nonce = randomBytes(32)
  const { akPublic, expected } = opened
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
      await refusing(o, async () => {
        if (akPublic === undefined) throw new TypeError('there is no vTPM')
        const at = services.clock.now()
        await verifyBootReport({ report, nonce, akPublic, expected, encrypted: false, at })
        await o.onReady(undefined)
      }),
    ...(akPublic === undefined && {
      onReadyWithoutTpm: async (given: Uint8Array) =>
        await refusing(o, async () => {
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

async function serveConfidential(o: BootRequest, plan: BootPlan, vm: Confidential, socket: string): Promise<Endpoint> {
  const { services } = o
  const { silicon } = services
  if (silicon === undefined) throw noHardware()
  const nonce = randomBytes(32)
  return await startMetadataServer({
    ...services,
    socket,
    spec: o.record.spec as InstanceSpec,
    silicon,
    commands: o.commands,
    akSpki: certifiedKey(vm.opened.evidence.vtpm.akCertificatePem),
    report: vm.opened.report,
    nonce,
    onHealth: (health) => o.onHealth(health),
    dataDisks: () => o.record.dataDisks ?? [],
    onReady: async (report) =>
      await refusing(o, async () => await o.onReady(await evidenceOf(o, plan, vm, { report, nonce }))),
  })
}

/** The evidence of a boot with a verified report. @throws ServiceError BootReportRefused, … */
async function evidenceOf(
  o: BootRequest,
  plan: BootPlan,
  vm: Confidential,
  { report, nonce }: { report: BootReport; nonce: Uint8Array },
): Promise<AnyBootEvidence> {
  const { services, record } = o
  const { opened } = vm
  const { encryption, secureBoot } = (record.spec as InstanceSpec).security
  const volume = record.volume === undefined ? undefined : Buffer.from(record.volume, 'hex')
  const update = vm.kind === 'kept' ? startedUpdate(vm.opened.updates, report.pcrs) : undefined
  const { measuredBoot, opened: mapped } = await verifyBootReport({
    report,
    nonce,
    akPublic: Buffer.from(opened.evidence.vtpm.akPublic, 'base64url'),
    expected: update?.expected ?? opened.expected,
    ...(volume && { volume }),
    encrypted: encryption === 'DiskWithVMGuestState',
    at: services.clock.now(),
  })
  const expected = {
    ...opened.evidence.expected,
    ...update?.shown.expected,
    ...(volume && { volume: volume.toString('hex') }),
  }
  const settled = vm.kind === 'kept' ? vm.opened.variables : undefined
  const registers = { ...opened.expected.atReady, ...settled?.base }
  const measurements = await services.measurements.predicting(plan.image, { registers, secureBoot })
  const evidence: AnyBootEvidence = {
    ...opened.evidence,
    ...update?.shown.facts,
    ...(settled && variableFacts(settled.record)),
    ...(measurements !== undefined && { measurements }),
    expected,
    measuredBoot,
  }
  if (mapped !== undefined) {
    const { cipher, keyBits, sectorBytes: sector, luksUuid } = mapped
    evidence.osDisk = { ...evidence.osDisk, opened: { cipher, keyBits, sectorBytes: sector, luksUuid } }
  }
  return evidence
}

/** SubjectPublicKeyInfo of a PEM certificate. */
function certifiedKey(pem: string): Uint8Array {
  return Uint8Array.from(new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' }))
}
