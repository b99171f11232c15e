import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { CliError, exitCodes } from './cli-error.ts'

export interface SshKey {
  privatePath: string
  publicText: string
}

/** Public keys from a file named by the caller. */
export async function readPublicKeys(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new CliError({
      code: 'InvalidArgument',
      message: `Cannot read ${path}.`,
      remedy: 'Pass a file with SSH public keys.',
      exitCode: exitCodes.usage,
      cause,
    })
  })
  const keys = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => /^(ssh-|ecdsa-|sk-)/.test(line))
  if (keys.length === 0) {
    throw new CliError({
      code: 'InvalidArgument',
      message: `${path} does not contain an SSH public key.`,
      expected: 'lines such as "ssh-ed25519 AAAA…"',
      remedy: 'Pass the .pub file.',
      exitCode: exitCodes.usage,
    })
  }
  return keys
}

/**
 * The person's own key pair for VMs, created once with ssh-keygen under the configuration folder. Commands that start
 * together all use the first one's pair: it appears whole, or not at all.
 */
export async function personalSshKey(configDir: string): Promise<SshKey> {
  const folder = join(configDir, 'ssh')
  const privatePath = join(folder, 'id_ed25519')
  const read = async (): Promise<string> => (await readFile(`${privatePath}.pub`, 'utf8')).trim()
  const existing = await read().catch(() => undefined)
  if (existing !== undefined) return { privatePath, publicText: existing }
  await mkdir(configDir, { recursive: true, mode: 0o700 })
  const made = await mkdtemp(join(configDir, 'ssh-'))
  try {
    await runProgram('ssh-keygen', [
      '-q',
      '-t',
      'ed25519',
      '-N',
      '',
      '-C',
      'strongroom',
      '-f',
      join(made, 'id_ed25519'),
    ])
    await rename(made, folder).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOTEMPTY' && cause.code !== 'EEXIST') throw cause
    })
  } finally {
    await rm(made, { recursive: true, force: true })
  }
  const publicText = await read().catch((cause: unknown) => {
    throw new CliError({
      code: 'ProgramFailed',
      message: `${folder} exists, but has no id_ed25519.pub.`,
      expected: 'a key pair made by ssh-keygen, or no folder',
      remedy: `Write it with ssh-keygen -y -f ${privatePath} >${privatePath}.pub, or move the folder away.`,
      cause,
    })
  })
  return { privatePath, publicText }
}

function runProgram(command: string, args: string[]): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.once('error', (cause) =>
      fail(
        new CliError({
          code: 'MissingProgram',
          message: `Cannot run ${command}: ${cause.message}`,
          remedy: 'apt-get install -y openssh-client',
          exitCode: exitCodes.missingPrerequisite,
        }),
      ),
    )
    child.once('exit', (code) =>
      code === 0
        ? done()
        : fail(new CliError({ code: 'ProgramFailed', message: `${command} ended with ${code}: ${stderr.trim()}` })),
    )
  })
}
