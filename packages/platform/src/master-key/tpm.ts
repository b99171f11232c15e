import { randomBytes } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ServiceError } from '../errors/errors.ts'
import { memoryBackedDirectory } from '../programs/memory-backed.ts'
import { ProgramError, run } from '../programs/run.ts'
import { keyBytes } from './key-file.ts'

/** A key sealed under the storage primary of the machine's TPM; base64 of TPM2B_PUBLIC and TPM2B_PRIVATE. */
export interface TpmHolder {
  kind: 'tpm'
  public: string
  private: string
}

const primary = ['-C', 'o', '-g', 'sha256', '-G', 'ecc', '-Q']

/** Creates a key in the process and seals it in the TPM. @throws ServiceError TpmUnusable */
export async function sealToTpm(): Promise<{ holder: TpmHolder; key: Uint8Array }> {
  const key = Uint8Array.from(randomBytes(keyBytes))
  const holder = await withPrimary(async (directory, tool) => {
    const [publicPath, privatePath] = [join(directory, 'public'), join(directory, 'private')]
    await tool(
      'tpm2_create',
      ['-C', 'primary', '-g', 'sha256', '-i', '-', '-u', publicPath, '-r', privatePath, '-Q'],
      key,
    )
    const base64 = async (path: string): Promise<string> => (await readFile(path)).toString('base64')
    return { kind: 'tpm' as const, public: await base64(publicPath), private: await base64(privatePath) }
  })
  return { holder, key }
}

/** @throws ServiceError TpmUnusable, also if the key was sealed by another TPM */
export async function unsealFromTpm(holder: TpmHolder): Promise<Uint8Array> {
  return withPrimary(async (directory, tool) => {
    const [publicPath, privatePath] = [join(directory, 'public'), join(directory, 'private')]
    await writeFile(publicPath, Buffer.from(holder.public, 'base64'), { mode: 0o600 })
    await writeFile(privatePath, Buffer.from(holder.private, 'base64'), { mode: 0o600 })
    await tool('tpm2_load', ['-C', 'primary', '-u', publicPath, '-r', privatePath, '-c', 'sealed', '-Q'])
    const key = await tool('tpm2_unseal', ['-c', 'sealed', '-Q'])
    if (key.length !== keyBytes) throw unusable(`the TPM returned ${key.length} bytes instead of ${keyBytes}`)
    return Uint8Array.from(key)
  })
}

type Tool = (command: string, args: string[], stdin?: Uint8Array) => Promise<Buffer>

async function withPrimary<T>(work: (directory: string, tool: Tool) => Promise<T>): Promise<T> {
  // Contexts are encrypted by the TPM; still only in memory, as nobody needs them afterwards.
  const directory = await memoryBackedDirectory('tpm')
  const { TPM2TOOLS_TCTI } = process.env
  const tool: Tool = async (command, args, stdin) => {
    const options = {
      command,
      args,
      cwd: directory,
      timeoutMs: 60_000,
      ...(TPM2TOOLS_TCTI !== undefined && { env: { TPM2TOOLS_TCTI } }),
    }
    const { stdout } = await run({ ...options, ...(stdin !== undefined && { stdin }) })
    // Without a resource manager, loaded objects stay in the TPM, which has room for three; with one this session is ours alone.
    await run({ ...options, command: 'tpm2_flushcontext', args: ['-t'] })
    return stdout
  }
  try {
    await tool('tpm2_createprimary', [...primary, '-c', 'primary'])
    return await work(directory, tool)
  } catch (error) {
    if (error instanceof ProgramError) throw unusable(error.message, error)
    throw error
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function unusable(found: string, cause?: unknown): ServiceError {
  return new ServiceError({
    code: 'TpmUnusable',
    message: 'This host’s TPM does not release the master key.',
    expected: 'the TPM that sealed it, reachable by tpm2-tools',
    found,
    remedy: 'Start on the host whose TPM sealed it, as a user who may use /dev/tpmrm0, or set TPM2TOOLS_TCTI.',
    cause,
  })
}
