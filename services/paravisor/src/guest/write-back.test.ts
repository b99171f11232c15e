import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { GuestState } from '../vmgs/guest-state.ts'
import { TpmDirectory } from '../tpm/tpm-directory.ts'
import { WriteBack } from './write-back.ts'

const vmId = 'F6EDBA93-B1EC-4F77-91E4-027F8E5E0333'
const key = generateKeyPairSync('rsa', { modulusLength: 2048 })
const logger = createLogger({ level: 'silent' })

let directory: string
let files: { tpmState: TpmDirectory; variables: string }
/** What the machine has. */
let variables: string | undefined
const readVariables = async (): Promise<Buffer | undefined> =>
  await Promise.resolve(variables === undefined ? undefined : Buffer.from(variables))
let tpmFile: string
let state: GuestState

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'write-back-'))
  const first = Buffer.from('tpm 0')
  const tpmState = await TpmDirectory.make({ path: join(directory, 'tpm'), user: undefined, state: first })
  tpmFile = tpmState.statePath
  files = { tpmState, variables: join(directory, 'variables.fd') }
  variables = 'variables 0'
  await writeFile(files.variables, variables)
  const path = join(directory, 'state.vmgs')
  await GuestState.create({
    path,
    vmId,
    wrappingKey: key.publicKey,
    tpm: Buffer.from('tpm 0'),
    variables: Buffer.from('variables 0'),
  })
  state = await GuestState.open({ path, vmId, releasedKey: key.privateKey, counter: 0 })
})

afterEach(async () => {
  await state.close()
  await rm(directory, { recursive: true, force: true })
})

describe('write-back of a running guest', () => {
  it('carries every change into the guest state while the guest runs', async () => {
    const writeBack = new WriteBack({ state, ...files, readVariables, logger })
    writeBack.start()
    // As swtpm does it: a new file renamed over the old one.
    await writeFile(`${tpmFile}.new`, 'tpm 1')
    await rename(`${tpmFile}.new`, tpmFile)
    variables = 'variables 1'
    await writeFile(files.variables, variables)
    await vi.waitFor(async () => {
      expect(state.tpm().toString()).toBe('tpm 1')
      expect(state.variables().toString()).toBe('variables 1')
    }, 20_000)
    await writeBack.stop()
  })

  it('writes at the end what nobody announced', async () => {
    const writeBack = new WriteBack({ state, ...files, readVariables, logger })
    variables = 'variables 2'
    await writeBack.stop()
    expect(state.variables().toString()).toBe('variables 2')
  })

  it('keeps no UEFI variables that the host wrote into their file while the guest ran (attack H36)', async () => {
    const writeBack = new WriteBack({ state, ...files, readVariables, logger })
    writeBack.start()
    await writeFile(files.variables, 'variables of the host')
    variables = 'variables 3'
    await vi.waitFor(() => expect(state.variables().toString()).toBe('variables 3'), 20_000)
    await writeFile(files.variables, 'more of the host')
    await writeBack.stop()
    expect(state.variables().toString()).toBe('variables 3')
  })

  it('leaves the UEFI variables as they were where no machine has run', async () => {
    variables = undefined
    const writeBack = new WriteBack({ state, ...files, readVariables, logger })
    await writeBack.stop()
    expect(state.variables().toString()).toBe('variables 0')
  })

  it('leaves a vTPM that is not persisted out', async () => {
    const writeBack = new WriteBack({ state, tpmState: undefined, variables: files.variables, readVariables, logger })
    await writeFile(tpmFile, 'tpm 3')
    await writeBack.stop()
    expect(state.tpm().toString()).toBe('tpm 0')
  })
})
