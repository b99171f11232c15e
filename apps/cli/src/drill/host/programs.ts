import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { CliError, exitCodes } from '../../core/cli-error.ts'

/** Debian packages of the programs that a malicious host uses besides the server's. */
const packages: Record<string, string> = {
  sfdisk: 'fdisk',
  debugfs: 'e2fsprogs',
  mcopy: 'mtools',
  mmd: 'mtools',
  sbsign: 'sbsigntool',
  openssl: 'openssl',
  ssh: 'openssh-client',
}

export interface Ended {
  code: number
  stdout: string
  stderr: string
}

/** Runs a program to its end. @throws CliError MissingProgram, ProgramFailed */
export async function runProgram(
  command: string,
  args: readonly string[],
  o: { input?: string; anyCode?: boolean; signal?: AbortSignal; timeoutMs?: number } = {},
): Promise<Ended> {
  const child = spawn(command, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(o.signal && { signal: o.signal }),
    ...(o.timeoutMs !== undefined && { timeout: o.timeoutMs }),
  })
  const ended = await new Promise<Ended>((done, fail) => {
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString('latin1')))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.stdin.on('error', () => {})
    child.once('error', (cause) => fail(o.signal?.aborted === true ? cause : missing(command, cause)))
    child.once('close', (code) => done({ code: code ?? -1, stdout, stderr }))
    child.stdin.end(o.input ?? '')
  })
  if (ended.code === 0 || o.anyCode === true) return ended
  throw new CliError({ code: 'ProgramFailed', message: `${command} ended with ${ended.code}: ${ended.stderr.trim()}` })
}

/** SHA-256 of what a program writes, in hexadecimal. */
export async function digestOfOutput(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const hash = createHash('sha256')
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  child.stdout.on('data', (chunk: Buffer) => hash.update(chunk))
  const code = await new Promise<number | null>((done, fail) => {
    child.once('error', (cause) => fail(missing(command, cause)))
    child.once('close', done)
  })
  if (code !== 0)
    throw new CliError({ code: 'ProgramFailed', message: `${command} ended with ${code}: ${stderr.trim()}` })
  return hash.digest('hex')
}

const missing = (command: string, cause: unknown): CliError =>
  new CliError({
    code: 'MissingProgram',
    message: `Cannot run ${command}.`,
    remedy: `apt-get install -y ${packages[command] ?? command}`,
    exitCode: exitCodes.missingPrerequisite,
    cause,
  })
