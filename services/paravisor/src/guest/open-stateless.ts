import { join } from 'node:path'
import { cpuModels, type ImageRecord, type InstanceSpec, type StatelessBootEvidence } from '@strongroom/contract'
import { toHex } from '@strongroom/evidence'
import { predictMachine, type Machine } from '@strongroom/evidence/expected'
import type { InstallationAuthority } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import { withEndorsementKey } from '../firmware/endorsement-variable.ts'
import { makeUefiVariables } from '../firmware/uefi-variables.ts'
import { imageKeys, expectedPcrs, type ExpectedPcrs } from '../expected/boot-files.ts'
import { settledBy } from '../expected/settings.ts'
import { measuredCode, readFirmware } from '../firmware/read-firmware.ts'
import { shapeOf } from '../expected/machine-shape.ts'
import { manufactureTpm } from '../tpm/manufacture.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import { statelessClaims } from '../release/claims.ts'
import { layFiles } from './lay-files.ts'
import { bindTpm, type ReportOnUserData } from './bind-tpm.ts'
import type { PoweredState } from './powered-state.ts'
import { launchOnSilicon } from '../release/silicon.ts'

/** What a VM with NonPersistedTPM is powered on with. */
export interface OpenedStateless extends PoweredState {
  launchMeasurement: string
  expected: ExpectedPcrs
  evidence: StatelessBootEvidence
  /** As in OpenedGuest. */
  report: ReportOnUserData
}

interface StatelessRequest {
  silicon: Silicon
  authority: InstallationAuthority
  now(): Date
  spec: InstanceSpec
  image: ImageRecord
  /** Memory-backed, for this boot only. */
  runtimeDir: string
  /** The user of its vTPM. */
  user: number | undefined
  vCPUs: number
  bootId: string
  step(name: string): void
  signal: AbortSignal
  /** As for openGuest. */
  machine?: Machine
  vtpm?: 'qemu' | 'clear'
}

/**
 * One boot of a VM with NonPersistedTPM, up to power-on: a vTPM and UEFI variables for this boot only, bound to the
 * hardware's report. No provider attests it, no key is released, nothing is read from an earlier boot and nothing is
 * kept: relying parties ask the guest for evidence, and bring verifier and keys.
 */
export async function openStateless(o: StatelessRequest): Promise<OpenedStateless> {
  const startedAt = o.now().toISOString()
  o.step('Make vTPM')
  const directory = await TpmDirectory.make({ path: join(o.runtimeDir, 'tpm'), user: o.user })
  const identity = await manufactureTpm({ directory })
  o.step('Make UEFI variables')
  const { secureBoot } = o.spec.security
  const made = await makeUefiVariables({
    secureBoot,
    keys: await imageKeys(o.image),
    out: join(o.runtimeDir, 'variables.fd'),
  })
  o.signal.throwIfAborted()
  o.step('Launch on silicon')
  const bytes = await readFirmware()
  const launched = await launchOnSilicon({ silicon: o.silicon, spec: o.spec, firmware: bytes, vCPUs: o.vCPUs })
  const claims = statelessClaims({ spec: o.spec, ...identity })
  const report = await launched.report(claims)
  o.step('Start vTPM')
  const vtpm = await bindTpm({ o, launched, directory, identity, settings: undefined })
  const variables = await withEndorsementKey(made, vtpm.endorsementKey)
  const laid = await layFiles(o.runtimeDir, { firmware: bytes, variables })
  const machine = o.machine && (await predictMachine(o.machine))
  const expected = await expectedPcrs({
    image: o.image,
    variables,
    firmware: (await measuredCode(bytes)).register,
    machine,
  })
  const silicon = await report.evidence()
  return {
    state: nothingKept,
    tpm: await vtpm.start(),
    files: { ...laid.files, tpmState: undefined },
    launchMeasurement: launched.measurement,
    admit: laid.admit,
    expected,
    evidence: {
      version: 1,
      stateless: true,
      vmId: o.spec.vmId,
      bootId: o.bootId,
      startedAt,
      shownAt: o.now().toISOString(),
      simulated: true,
      tee: o.spec.tee,
      silicon,
      runtimeClaims: Buffer.from(claims).toString('base64url'),
      expected: {
        firmwareSha256: laid.firmwareSha256,
        vCPUs: o.vCPUs,
        ...shapeOf(o.machine),
        vcpuType: cpuModels[o.spec.tee],
        launchMeasurement: launched.measurement,
        pcrs: Object.fromEntries(Object.entries(expected.atReady).map(([index, value]) => [index, toHex(value)])),
      },
      vtpm: vtpm.evidence,
      settled: Buffer.from(settledBy(o.spec, o.authority.caPem)).toString('base64url'),
      osDisk: { encryption: 'none' },
    },
    report: vtpm.report,
    retire: async () => {},
  }
}

/** Changes of the UEFI variables end with the boot. */
const nothingKept: PoweredState['state'] = { save: async () => {}, close: async () => {} }
