import { mkdir, readFile, rm, copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@strongroom/platform'
import { permanentState, startSwtpm, stopSwtpm, tpmTool, type Swtpm } from './swtpm.ts'

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
  const stateDir = join(runtimeDir, 'autopsy')
  const volatileState = join(runtimeDir, 'volatile')
  await mkdir(stateDir, { mode: 0o700 })
  try {
    await ioctl(tpm.controlSocket, ['--save', 'volatile', volatileState])
    await copyFile(join(tpm.stateDir, permanentState), join(stateDir, permanentState))
    const copy = await startSwtpm({ stateDir, runtimeDir, name: 'autopsy.tpm', startup: 'resume' })
    try {
      await ioctl(copy.controlSocket, ['--load', 'volatile', volatileState])
      await ioctl(copy.controlSocket, ['-i'])
      return await readRegisters(copy, runtimeDir)
    } finally {
      await stopSwtpm(copy)
    }
  } finally {
    await rm(volatileState, { force: true })
    await rm(stateDir, { recursive: true, force: true })
  }
}

async function ioctl(controlSocket: string, args: string[]): Promise<void> {
  await run({ command: 'swtpm_ioctl', args: ['--unix', controlSocket, ...args], timeoutMs: 10_000 })
}
