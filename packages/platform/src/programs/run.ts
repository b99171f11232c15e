import { spawn } from 'node:child_process'
import { storageFull } from '../errors/errors.ts'
import { confined, type Confinement } from './confinement.ts'
import { missingProgram } from './missing.ts'
import { directPath, findProgram } from './search.ts'

export interface RunOptions {
  command: string
  /** Passed unchanged, without a shell. Never a secret: any user can read another process's arguments. */
  args: string[]
  /** The way in for secrets. */
  stdin?: Uint8Array | string
  timeoutMs?: number
  cwd?: string
  /** Added to a minimal environment (PATH, HOME, LANG=C.UTF-8): the server's own environment is not inherited. */
  env?: Record<string, string>
  signal?: AbortSignal
  /** Default: like this process. */
  confinement?: Confinement
  /** Exit codes that count as success besides 0. */
  allow?: number[]
}

export interface RunResult {
  stdout: Buffer
  stderr: string
  code: number
}

/** A failed external program. `code` is null if a signal or the time limit ended it. */
export class ProgramError extends Error {
  readonly command: string
  readonly args: string[]
  readonly code: number | null
  readonly stderr: string

  constructor(o: { command: string; args: string[]; code: number | null; stderr: string; reason: string }) {
    const said = o.stderr.trim().split('\n').slice(-3).join(' | ')
    super(`${o.command} ${o.reason}${said === '' ? '' : `: ${said}`}`)
    this.name = 'ProgramError'
    this.command = o.command
    this.args = o.args
    this.code = o.code
    this.stderr = o.stderr
  }
}

/** How much error output is kept. */
const stderrLimit = 64 * 1024
const stdoutLimit = 64 * 1024 * 1024

/** How long to wait after SIGTERM. */
const killDelayMs = 2_000

/** The environment of every external program. */
export function programEnvironment(extra: Record<string, string> = {}): Record<string, string> {
  const { PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', HOME = '/', TMPDIR } = process.env
  // System administration programs (sgdisk, mkfs) are outside an ordinary user's PATH on Debian.
  const path = [...new Set([...PATH.split(':'), '/usr/sbin', '/sbin'])].join(':')
  return { PATH: path, HOME, LANG: 'C.UTF-8', ...(TMPDIR !== undefined && { TMPDIR }), ...extra }
}

/** The command line that confines a program. */
function held(confinement: Confinement, o: RunOptions, env: Record<string, string>): string[] {
  const program = findProgram(o.command, env['PATH'] ?? '')
  if (program === undefined) throw missingProgram(o.command)
  const { options, before } = confined(confinement, program)
  return ['setpriv', ...options, '--', ...before, directPath(program), ...o.args]
}

/**
 * Runs a program to its end. A non-zero exit, a signal or the time limit throws ProgramError.
 * @throws ProgramError
 * @throws ServiceError MissingProgram naming the Debian package; StorageFull
 */
export function run(o: RunOptions): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    o.signal?.throwIfAborted()
    const env = programEnvironment(o.env)
    const [command, ...args] = o.confinement === undefined ? [o.command, ...o.args] : held(o.confinement, o, env)
    const child = spawn(command!, args, {
      ...(o.cwd !== undefined && { cwd: o.cwd }),
      env,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const out: Buffer[] = []
    let outBytes = 0
    let stderr = ''
    let reason: string | undefined
    let hardKill: NodeJS.Timeout | undefined

    const end = (why: string): void => {
      if (reason !== undefined) return
      reason = why
      child.kill('SIGTERM')
      hardKill = setTimeout(() => child.kill('SIGKILL'), killDelayMs)
    }
    const timer =
      o.timeoutMs === undefined ? undefined : setTimeout(() => end(`took longer than ${o.timeoutMs} ms`), o.timeoutMs)
    const abort = (): void => end('was cancelled')
    o.signal?.addEventListener('abort', abort, { once: true })
    const settle = (): void => {
      clearTimeout(timer)
      clearTimeout(hardKill)
      o.signal?.removeEventListener('abort', abort)
    }

    child.stdout.on('data', (chunk: Buffer) => {
      outBytes += chunk.length
      if (outBytes > stdoutLimit) end(`wrote more than ${stdoutLimit} bytes`)
      else out.push(chunk)
    })
    child.stderr.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString('utf8')).slice(-stderrLimit)
    })
    child.once('error', (error: NodeJS.ErrnoException) => {
      settle()
      reject(error.code === 'ENOENT' ? missingProgram(o.command, o.cwd) : error)
    })
    child.once('close', (code, signal) => {
      settle()
      if (reason === undefined && code !== null && (code === 0 || o.allow?.includes(code))) {
        resolve({ stdout: Buffer.concat(out), stderr, code })
        return
      }
      const why = reason ?? (signal === null ? `ended with ${code}` : `was ended by ${signal}`)
      const error = new ProgramError({ command: o.command, args: o.args, code, stderr, reason: why })
      // strerror(3) of ENOSPC, in the environment's language.
      reject(stderr.includes('No space left on device') ? storageFull({ cause: error }) : error)
    })
    // A program that does not read all its input closes the pipe; its exit code decides whether that was an error.
    child.stdin.on('error', () => {})
    child.stdin.end(o.stdin)
  })
}
