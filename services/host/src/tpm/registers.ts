import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@strongroom/platform'
import { startSwtpm, stopSwtpm, tpmTool, type Swtpm } from './swtpm.ts'
import { TpmDirectory } from './tpm-directory.ts'

const count = 24

/** SHA-256 bank as lower-case hexadecimal, by register number. */
export async function readRegisters(tpm: Swtpm, runtimeDir: string): Promise<Record<string, string>> {
  const file = join(runtimeDir, 'registers')
  try {
    await tpmTool(tpm, 'tpm2_pcrread', ['-Q', 'sha256:all', '-o', file])
    const bytes = await readFile(file)
    const registers: Record<string, string> = {}
    for (let index = 0; index < count; index++) {
      registers[index] = bytes.subarray(index * 32, index * 32 + 32).toString('hex')
    }
    return registers
  } finally {
    await rm(file, { force: true })
  }
}

/**
 * Registers of a TPM that a guest used until now. QEMU held its data channel, so its volatile state is saved through the
 * control channel and looked at in a second TPM that is thrown away. QEMU must have been killed, not asked to quit: it
 * would have ended the TPM.
 */
export async function readRegistersAfterGuest(tpm: Swtpm, runtimeDir: string): Promise<Record<string, string>> {
  const path = join(runtimeDir, 'autopsy')
  const volatileState = join(runtimeDir, 'volatile')
  try {
    await ioctl(tpm.controlSocket, ['--save', 'volatile', volatileState])
    const { user } = tpm.directory
    const directory = await TpmDirectory.make({ path, user, state: await tpm.directory.readState() })
    const copy = await startSwtpm({ directory, name: 'autopsy.tpm', startup: 'resume' })
    try {
      await ioctl(copy.controlSocket, ['--load', 'volatile', volatileState])
      await ioctl(copy.controlSocket, ['-i'])
      return await readRegisters(copy, runtimeDir)
    } finally {
      await stopSwtpm(copy)
    }
  } finally {
    await rm(volatileState, { force: true })
    await rm(path, { recursive: true, force: true })
  }
}

async function ioctl(controlSocket: string, args: string[]): Promise<void> {
  await run({ command: 'swtpm_ioctl', args: ['--unix', controlSocket, ...args], timeoutMs: 10_000 })
}
