import { createHash, randomBytes } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { AnyBootEvidence, ImageRecord, InstanceSpec } from '@strongroom/contract'
import { parsePe, parseVariableStore, settingsRegister } from '@strongroom/evidence/expected'
import { ServiceError } from '@strongroom/platform'
import { imageFiles, expectedSettings, measuredCode } from '@strongroom/paravisor/expected'
import { makeRuntime, sweepRuntime, type VmFiles } from '../records/layout.ts'
import type { HostServices } from '../instances/services.ts'
import {
  type BootReport,
  verifyBootReport,
  openGuest,
  type OpenedGuest,
  openStateless,
  type OpenedStateless,
  WriteBack,
} from '@strongroom/paravisor'
import { handles, readRegisters, stopSwtpm, tpmTool, type Swtpm } from '@strongroom/paravisor/tpm'
import type { Identity } from './boot-store.ts'
import { laterExtensions, predictedRecords, writeEventLog, type PredictedRecord } from './predicted-log.ts'

/** As the guest's agent quotes (image/recipes/common/agent). */
const quoted = Array.from({ length: 15 }, (_, index) => index)

/**
 * One boot whose guest never runs: the paravisor opens it like any other; then the host extends the vTPM by the
 * predicted measurements, has it quoted, and judges that report like a guest's. Nothing keeps running afterwards, in
 * any case.
 */
export async function bootWithoutGuest(o: {
  services: HostServices
  spec: InstanceSpec
  image: ImageRecord
  files: VmFiles
  /** Of the stored vTPM; absent with NonPersistedTPM. */
  identity: Identity | undefined
  bootId: string
}): Promise<AnyBootEvidence> {
  const { services, spec } = o
  const { silicon } = services
  if (silicon === undefined) throw noSilicon()
  await services.firmware?.ensure()
  await sweepRuntime(spec.vmId)
  const runtime = await makeRuntime(spec.vmId)
  const { runtimeDir } = runtime
  try {
    const common = {
      ...services,
      silicon,
      now: () => services.clock.now(),
      spec,
      image: o.image,
      ...runtime,
      vCPUs: spec.size.vCPUs,
      bootId: o.bootId,
      step: () => {},
      signal: new AbortController().signal,
      vtpm: 'clear' as const,
    }
    const opened =
      o.identity === undefined
        ? await openStateless(common)
        : await openGuest({
            ...common,
            tenantId: services.installation.tenantId,
            guestStatePath: o.files.guestState,
            identity: {
              akSpki: Buffer.from(o.identity.akSpki, 'base64'),
              ekSpki: Buffer.from(o.identity.ekSpki, 'base64'),
            },
          })
    try {
      return await measure({ ...o, opened })
    } finally {
      await shutDown(opened, services)
    }
  } finally {
    await rm(runtimeDir, { recursive: true, force: true })
  }
}

async function measure(o: {
  services: HostServices
  spec: InstanceSpec
  image: ImageRecord
  opened: OpenedGuest | OpenedStateless
}): Promise<AnyBootEvidence> {
  const { opened } = o
  const records = await predictedRecords({
    firmware: (await measuredCode(await readFile(opened.files.firmware))).events,
    variables: parseVariableStore(await readFile(opened.files.variables)),
    boot: parsePe(await readFile(join(dirname(o.image.path), imageFiles.boot))),
  })
  const nonce = randomBytes(32)
  const report = await extendAndQuote({
    opened,
    records,
    settled: expectedSettings(o.spec, o.services.authority.caPem),
    nonce,
  })
  const { measuredBoot } = await verifyBootReport({
    report,
    nonce,
    akPublic: Buffer.from(opened.evidence.vtpm.akPublic, 'base64url'),
    expected: opened.expected,
    encrypted: false,
    at: o.services.clock.now(),
  })
  const measurements = await o.services.measurements.predicting(o.image, {
    registers: opened.expected.atReady,
    secureBoot: o.spec.security.secureBoot,
  })
  const signed = measurements !== undefined && { measurements }
  return { ...opened.evidence, ...signed, guestRan: false, measuredBoot, osDisk: { encryption: 'none' } }
}

async function extendAndQuote(o: {
  opened: OpenedGuest | OpenedStateless
  records: PredictedRecord[]
  /** The settings a guest would have applied. */
  settled: Uint8Array
  nonce: Uint8Array
}): Promise<BootReport> {
  const tpm = vtpmOf(o.opened)
  const settled = { pcr: settingsRegister, digest: createHash('sha256').update(o.settled).digest() }
  const extensions = [...o.records, ...laterExtensions, settled].map(
    ({ pcr, digest }) => `${pcr}:sha256=${hex(digest)}`,
  )
  await tpmTool(tpm, 'tpm2_pcrextend', extensions)
  const { directory } = tpm
  await tpmTool(tpm, 'tpm2_quote', [
    '-Q',
    '-c',
    handles.ak,
    '-l',
    `sha256:${quoted.join(',')}`,
    '-q',
    hex(o.nonce),
    '-m',
    directory.at('quote.message'),
    '-s',
    directory.at('quote.signature'),
  ])
  const registers = await readRegisters(tpm)
  return {
    nonce: o.nonce,
    quoteMessage: await directory.take('quote.message'),
    quoteSignature: await directory.take('quote.signature'),
    pcrs: new Map(quoted.map((index) => [index, Buffer.from(registers[index] ?? '', 'hex')])),
    eventLog: writeEventLog(o.records),
  }
}

function vtpmOf({ tpm }: OpenedGuest | OpenedStateless): Swtpm {
  if (tpm === undefined) throw new TypeError('a confidential VM has a vTPM')
  return tpm
}

/** Like a guest's power-off: ends the vTPM, writes its state back, and makes earlier copies worthless. */
async function shutDown(opened: OpenedGuest | OpenedStateless, services: HostServices): Promise<void> {
  try {
    await stopSwtpm(vtpmOf(opened))
    // No machine ran that could have changed its variables.
    const readVariables = (): Promise<undefined> => Promise.resolve(undefined)
    await new WriteBack({ state: opened.state, ...opened.files, readVariables, logger: services.logger }).stop()
    await opened.retire()
  } finally {
    await opened.state.close()
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

const noSilicon = (): ServiceError =>
  new ServiceError({
    code: 'HardwareModeNotBuilt',
    message: 'This installation has no simulated processors.',
    expected: 'an installation in simulated mode',
    found: 'hardware mode',
    remedy: 'Create an installation in simulated mode in another state directory.',
  })
