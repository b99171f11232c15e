import { join } from 'node:path'
import { cpuModels, type BootEvidence, type ImageRecord, type InstanceSpec } from '@strongroom/contract'
import {
  efiVendor,
  parseVariableStore,
  predictMachine,
  secureBootEnabled,
  variableData,
  type Machine,
} from '@strongroom/evidence/expected'
import { withEndorsementKey } from '../firmware/endorsement-variable.ts'
import { makeUefiVariables } from '../firmware/uefi-variables.ts'
import { imageKeys, expectedPcrs, type ExpectedPcrs } from '../expected/boot-files.ts'
import type { PausedMachine } from '../firmware/mapped-firmware.ts'
import { measuredCode, readFirmware } from '../firmware/read-firmware.ts'
import { shapeOf } from '../expected/machine-shape.ts'
import type { Swtpm } from '../tpm/swtpm.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import type { GuestState } from '../vmgs/guest-state.ts'
import type { CustomerRelease } from '../release/customer-key.ts'
import { admitGuest, inHex, type Admitted, type BootVariables } from './admit-guest.ts'
import type { AdmittedUpdate } from './judge-updates.ts'
import { layFiles, type FlashFiles } from './lay-files.ts'
import { withoutOsIndications } from '../variables/os-indications.ts'
import { bindTpm, type ReportOnUserData } from './bind-tpm.ts'
import { reportGeneration } from '../release/release.ts'
import { requireRecorded } from '../expected/restored.ts'
import { expectedSettings, settingsDigest } from '../expected/settings.ts'
import { advanceState, unseal, type UnsealRequest } from './unseal.ts'

export interface OpenRequest extends Omit<UnsealRequest, 'firmware' | 'identity' | 'spec'> {
  spec: InstanceSpec
  image: ImageRecord
  /** Memory-backed, for this boot only. */
  runtimeDir: string
  /** The user of its vTPM. */
  user: number | undefined
  /** Public keys of the vTPM at its creation; compared with the vTPM once it is open. */
  identity: UnsealRequest['identity'] | undefined
  bootId: string
  /** What the VM will run on; absent if no guest runs. */
  machine?: Machine
  /** Who powers the vTPM on: QEMU (default), or nobody if no guest runs (`clear`). */
  vtpm?: 'qemu' | 'clear'
}

/** Everything needed to power a guest on, and the evidence of how it was opened. */
export interface OpenedGuest {
  state: GuestState
  tpm: Swtpm
  files: FlashFiles & { tpmState: TpmDirectory | undefined }
  launchMeasurement: string
  /** See PoweredState. */
  admit(machine: PausedMachine): Promise<void>
  expected: ExpectedPcrs
  /** Boot files that may have started instead of the image's own. */
  updates: AdmittedUpdate[]
  /** Registers of each boot that reads the disk's key, at that time: hexadecimal, by register. Absent if no machine will run. */
  opensFor: Record<string, string>[] | undefined
  /** Secure Boot variables of the boot, and how they came to be; absent if the VM takes no updates of them. */
  variables: BootVariables | undefined
  /** What became of updates of Secure Boot variables, for the owner. */
  notices: string[]
  /** The firmware starts another boot file than the default, at this boot only (BootNext; UEFI 2.10, section 3.1.2). */
  startsOtherOnce: boolean
  evidence: BootEvidence
  /** A new report of this launch, with the guest's own data. */
  report: ReportOnUserData
  /**
   * After the guest has ended, makes copies of the guest state taken while it ran older than the current one. Fails if
   * this boot's token has expired or the key service does not answer; then the state is intact, and the copies remain
   * usable.
   */
  retire(): Promise<void>
}

/**
 * One boot in the paravisor, up to power-on: launch measurement → report over the claims → token → key → guest state →
 * vTPM. On failure it throws after stopping everything it started, with nothing of the guest state in clear.
 */
export async function openGuest(o: OpenRequest): Promise<OpenedGuest> {
  const startedAt = o.now().toISOString()
  const firmware = await readFirmware()
  const { identity } = o
  if (identity === undefined) throw new TypeError('a provisioned VM has the public keys of its vTPM')
  const unsealed = await unseal({ ...o, firmware, identity })
  const { state, launched, claims, report, attestation, access, release, customer } = unsealed
  try {
    requireRecorded(o.spec, state.restored)
    await advanceState(unsealed, release.key, customer)
    o.step('Start vTPM')
    const tpmState = await TpmDirectory.make({ path: join(o.runtimeDir, 'tpm'), user: o.user, state: state.tpm() })
    const indications = await withoutOsIndications(await keptVariables(o, state))
    const machine = o.machine && (await predictMachine(o.machine))
    const code = (await measuredCode(firmware)).register
    const admitted =
      machine === undefined
        ? undefined
        : await admitGuest({ o, state, tpmState, flash: indications.flash, firmware: code, machine })
    const settings = settingsDigest(o.spec, o.authority.caPem)
    const launch = { claims, generation: state.generation }
    const vtpm = await bindTpm({ o, launched, directory: tpmState, identity, settings, launch })
    const variables = await withEndorsementKey(admitted?.flash ?? indications.flash, vtpm.endorsementKey)
    const laid = await layFiles(o.runtimeDir, { firmware, variables })
    const expected = await expectedPcrs({ image: o.image, variables, firmware: code, machine })
    const evidence: BootEvidence = {
      version: 1,
      vmId: o.spec.vmId,
      bootId: o.bootId,
      startedAt,
      simulated: true,
      tee: o.spec.tee,
      silicon: await report.evidence(),
      runtimeClaims: base64url(claims),
      expected: {
        firmwareSha256: laid.firmwareSha256,
        vCPUs: o.vCPUs,
        ...shapeOf(o.machine),
        vcpuType: cpuModels[o.spec.tee],
        launchMeasurement: launched.measurement,
        pcrs: inHex(expected.atReady),
      },
      attestation,
      release: { keyId: access.keyId, jws: release.jws, at: o.now().toISOString() },
      ...(customer !== undefined && { customerRelease: customerEvidence(o, customer) }),
      guestState: { format: 'VMGS', generation: state.generation, freshDataKey: true },
      vtpm: vtpm.evidence,
      settled: base64url(expectedSettings(o.spec, o.authority.caPem)),
      osDisk: osDiskEvidence(o, admitted),
    }
    const retire = async (): Promise<void> => {
      await state.retire()
      await reportGeneration({ ...access, generation: state.generation })
    }
    const launchMeasurement = launched.measurement
    return {
      state,
      tpm: await vtpm.start(),
      files: { ...laid.files, tpmState },
      launchMeasurement,
      admit: laid.admit,
      expected,
      updates: admitted?.updates ?? [],
      opensFor: admitted?.opensFor,
      variables: admitted?.variables,
      notices: [...indications.notices, ...(admitted?.notices ?? [])],
      startsOtherOnce: variableData(parseVariableStore(variables), 'BootNext', efiVendor.global).length > 0,
      evidence,
      report: vtpm.report,
      retire,
    }
  } catch (error) {
    await state.close()
    throw error
  }
}

function osDiskEvidence({ spec }: OpenRequest, admitted: Admitted | undefined): BootEvidence['osDisk'] {
  if (spec.security.encryption !== 'DiskWithVMGuestState') return { encryption: 'none' }
  const [opens] = admitted?.opensFor ?? []
  return { encryption: 'LUKS2', ...(opens !== undefined && { keyPcrs: Object.keys(opens).map(Number) }) }
}

function customerEvidence(o: OpenRequest, customer: CustomerRelease): NonNullable<BootEvidence['customerRelease']> {
  const { diskEncryptionSet = '' } = o.spec.customerKey ?? {}
  return { diskEncryptionSet, keyId: customer.keyId, jws: customer.release.jws, at: o.now().toISOString() }
}

async function keptVariables(o: OpenRequest, state: GuestState): Promise<Uint8Array> {
  const { secureBoot } = o.spec.security
  const kept = state.variables()
  if (secureBootEnabled(parseVariableStore(kept)) === secureBoot) return kept
  // Secure Boot was switched while the VM was off: its variables start empty.
  return await makeUefiVariables({
    secureBoot,
    keys: await imageKeys(o.image),
    out: join(o.runtimeDir, 'variables.fd'),
  })
}

const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
