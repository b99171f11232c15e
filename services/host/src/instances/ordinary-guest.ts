import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ImageRecord, OrdinarySpec } from '@strongroom/contract'
import { parseVariableStore, predictMachine, secureBootEnabled, type Machine } from '@strongroom/evidence/expected'
import type { Sealer } from '@strongroom/platform'
import { copyOsDisk } from '../disks/os-disk.ts'
import {
  makeUefiVariables,
  imageKeys,
  expectedPcrs,
  type ExpectedPcrs,
  measuredCode,
  readFirmware,
} from '@strongroom/paravisor/expected'
import type { PoweredState } from '@strongroom/paravisor'
import { manufactureTpm, readIdentity, startSwtpm, stopSwtpm, TpmDirectory } from '@strongroom/paravisor/tpm'
import { makeRuntime, sweepRuntime, type VmFiles } from '../records/layout.ts'
import { OrdinaryState } from './ordinary-state.ts'

/** Creates disk, UEFI variables and optionally vTPM of a VM that is not confidential. Nothing is sealed. */
export async function provisionOrdinary(o: {
  spec: OrdinarySpec
  image: ImageRecord
  files: VmFiles
  sealer: Sealer
  step(name: string): Promise<void>
  signal: AbortSignal
}): Promise<void> {
  const { spec, files } = o
  const { runtimeDir, user } = await makeRuntime(spec.vmId)
  try {
    let directory: TpmDirectory | undefined
    if (spec.security.vTpm) {
      await o.step('Make vTPM')
      directory = await TpmDirectory.make({ path: join(runtimeDir, 'tpm'), user })
      await manufactureTpm({ directory })
    }
    await o.step('Make UEFI variables')
    const variables = await makeUefiVariables({
      secureBoot: spec.security.secureBoot,
      keys: await imageKeys(o.image),
      out: join(runtimeDir, 'variables.fd'),
    })
    o.signal.throwIfAborted()
    await o.step('Copy OS disk')
    await copyOsDisk({ image: o.image, sizeGiB: spec.osDisk.sizeGiB, out: files.disk, signal: o.signal })
    await o.step('Seal vTPM and UEFI variables')
    await OrdinaryState.create({
      path: files.ordinaryState,
      vmId: spec.vmId,
      sealer: o.sealer,
      variables,
      tpm: await directory?.readState(),
    })
  } finally {
    await rm(runtimeDir, { recursive: true, force: true })
    await sweepRuntime(spec.vmId)
  }
}

/** What an ordinary VM is powered on with. */
export interface OpenedOrdinary extends PoweredState {
  expected: ExpectedPcrs
  /** TPM2B_PUBLIC of the vTPM's uncertified attestation key; absent without a vTPM. */
  akPublic: Uint8Array | undefined
}

/** Writes vTPM and variables to memory-backed files, and starts the vTPM. No processor measures it, no key is released. */
export async function openOrdinary(o: {
  spec: OrdinarySpec
  image: ImageRecord
  files: VmFiles
  sealer: Sealer
  runtimeDir: string
  /** The user of its vTPM. */
  user: number | undefined
  /** PCR 1 of the machine that the VM will run on. */
  machine: Machine
  step(name: string): void
}): Promise<OpenedOrdinary> {
  o.step('Open vTPM and UEFI variables')
  const state = await OrdinaryState.open({ path: o.files.ordinaryState, vmId: o.spec.vmId, sealer: o.sealer })
  const firmware = join(o.runtimeDir, 'firmware.fd')
  const bytes = await readFirmware()
  await writeFile(firmware, bytes, { mode: 0o400 })
  const variables = join(o.runtimeDir, 'variables.fd')
  const { secureBoot } = o.spec.security
  if (secureBootEnabled(parseVariableStore(state.variables())) === secureBoot) {
    await writeFile(variables, state.variables(), { mode: 0o600 })
  } else {
    await makeUefiVariables({ secureBoot, keys: await imageKeys(o.image), out: variables })
  }
  const expected = await expectedPcrs({
    image: o.image,
    variables: await readFile(variables),
    firmware: (await measuredCode(bytes)).register,
    machine: await predictMachine(o.machine),
  })
  const powered = { state, admit: undefined, expected, retire: async () => {} }
  const kept = state.tpm()
  if (kept === undefined)
    return { ...powered, files: { firmware, variables, tpmState: undefined }, akPublic: undefined }
  const directory = await TpmDirectory.make({ path: join(o.runtimeDir, 'tpm'), user: o.user, state: kept })
  const setup = await startSwtpm({ directory, name: 'setup', startup: 'clear' })
  let akPublic: Uint8Array
  try {
    akPublic = (await readIdentity(setup)).akPublic
  } finally {
    await stopSwtpm(setup)
    for (const path of [setup.socket, setup.controlSocket]) await rm(path, { force: true })
  }
  const tpm = await startSwtpm({ directory, name: 'vtpm', startup: 'qemu' })
  return { ...powered, tpm, files: { firmware, variables, tpmState: directory }, akPublic }
}
