import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@strongroom/platform'
import { startSwtpm, stopSwtpm, tpmTool, type Swtpm } from './swtpm.ts'
import { TpmDirectory } from './tpm-directory.ts'

const count = 24

/** SHA-256 bank as lower-case hexadecimal, by register number. */
export async function readRegisters(tpm: Swtpm): Promise<Record<string, string>> {
  await tpmTool(tpm, 'tpm2_pcrread', ['-Q', 'sha256:all', '-o', tpm.directory.at('registers')])
  const bytes = await tpm.directory.take('registers')
  const registers: Record<string, string> = {}
  for (let index = 0; index < count; index++) {
    registers[index] = bytes.subarray(index * 32, index * 32 + 32).toString('hex')
  }
  return registers
}

/**
 * Registers of a TPM that a guest used until now. QEMU held its data channel, so its volatile state is saved through
 * the control channel and examined in a second, temporary TPM. QEMU must have been killed, not asked to quit: that
 * would have ended the TPM.
 */
export async function readRegistersAfterGuest(tpm: Swtpm, runtimeDir: string): Promise<Record<string, string>> {
  const path = join(runtimeDir, 'autopsy')
  const { user } = tpm.directory
  try {
    await ioctl(tpm, ['--save', 'volatile', tpm.directory.at('volatile')])
    const directory = await TpmDirectory.make({ path, user, state: await tpm.directory.readState() })
    const volatile = await directory.give('volatile', await tpm.directory.take('volatile'))
    const copy = await startSwtpm({ directory, name: 'autopsy.tpm', startup: 'resume' })
    try {
      await ioctl(copy, ['--load', 'volatile', volatile])
      await ioctl(copy, ['-i'])
      return await readRegisters(copy)
    } finally {
      await stopSwtpm(copy)
    }
  } finally {
    await rm(path, { recursive: true, force: true })
  }
}

async function ioctl({ controlSocket, directory }: Swtpm, args: string[]): Promise<void> {
  const { confinement } = directory
  await run({ command: 'swtpm_ioctl', args: ['--unix', controlSocket, ...args], confinement, timeoutMs: 10_000 })
}
