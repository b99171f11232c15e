import { createHash } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cpuModels, type ImageRecord, type InstanceSpec, type StatelessBootEvidence } from '@strongroom/contract'
import { toHex } from '@strongroom/evidence'
import type { InstallationAuthority } from '@strongroom/platform'
import type { Silicon } from '@strongroom/silicon'
import { makeUefiVariables } from '../disks/uefi-variables.ts'
import { imageKeys, expectedPcrs, type ExpectedPcrs } from '../image/boot-files.ts'
import { settledBy } from '../network/provisioning.ts'
import { readFirmware } from '../qemu/firmware.ts'
import { manufactureTpm } from '../tpm/manufacture.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import { statelessClaims } from './claims.ts'
import { powerTpm, type ReportOnUserData } from './power-tpm.ts'
import type { PoweredState } from './running-guest.ts'
import { launchOnSilicon } from './silicon.ts'

/** What a VM with NonPersistedTPM is powered on with. */
export interface OpenedStateless extends PoweredState {
  launchMeasurement: string
  expected: ExpectedPcrs
  evidence: StatelessBootEvidence
  /** As in OpenedGuest. */
  report: ReportOnUserData
}

/**
 * One boot of a VM with NonPersistedTPM, up to power-on: a vTPM and UEFI variables for this boot only, bound to the
 * hardware's report. No provider attests it, no key is released, nothing is read from an earlier boot and nothing is
 * kept: relying parties ask the guest for evidence, and bring verifier and keys.
 */
export async function openStateless(o: {
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
  machine?: Promise<Uint8Array>
  vtpm?: 'qemu' | 'clear'
}): Promise<OpenedStateless> {
  const startedAt = o.now().toISOString()
  o.step('Make vTPM')
  const directory = await TpmDirectory.make({ path: join(o.runtimeDir, 'tpm'), user: o.user })
  const identity = await manufactureTpm({ directory })
  o.step('Make UEFI variables')
  const variables = join(o.runtimeDir, 'variables.fd')
  const { secureBoot } = o.spec.security
  await makeUefiVariables({ secureBoot, keys: await imageKeys(o.image), out: variables })
  o.signal.throwIfAborted()
  o.step('Launch on silicon')
  const bytes = await readFirmware()
  const firmware = join(o.runtimeDir, 'firmware.fd')
  await writeFile(firmware, bytes, { mode: 0o400 })
  const launched = await launchOnSilicon({ silicon: o.silicon, spec: o.spec, firmware: bytes, vCPUs: o.vCPUs })
  const claims = statelessClaims({ spec: o.spec, ...identity })
  const report = await launched.report(claims)
  o.step('Start vTPM')
  const machine = await o.machine
  const expected = await expectedPcrs({ image: o.image, variables: await readFile(variables), machine })
  const vtpm = await powerTpm({ o, launched, directory, identity })
  const silicon = await report.evidence()
  return {
    state: nothingKept,
    tpm: vtpm.tpm,
    files: { firmware, variables, tpmState: undefined },
    launchMeasurement: launched.measurement,
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
        firmwareSha256: createHash('sha256').update(bytes).digest('hex'),
        vCPUs: o.vCPUs,
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
