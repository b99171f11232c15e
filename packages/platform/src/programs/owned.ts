import { spawn, type StdioOptions, type ChildProcess } from 'node:child_process'
import { confined, type Confinement } from './confinement.ts'
import { missingProgram } from './missing.ts'
import { sameProcess, startTimeOf } from './process.ts'
import { programEnvironment } from './run.ts'
import { directPath, findProgram } from './search.ts'

export interface StartOptions {
  command: string
  args: string[]
  cwd?: string
  env?: Record<string, string>
  /** Default: input and outputs closed. Further entries are file descriptors passed to the program, from 3 on. */
  stdio?: StdioOptions
  /** A separate session, so that terminal signals to the server (Ctrl-C) do not reach it. */
  newSession?: true
  /** Default: like this process. */
  confinement?: Confinement
  /** The program is killed by the kernel when this process dies, however it dies. */
  dieWithParent: true
}

export interface OwnedProcess {
  pid: number
  /** Identifies one process together with the pid (see sameProcess). */
  startTime: string
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  /** False if the process has already ended; never reaches another process with a reused pid. */
  kill(signal?: NodeJS.Signals): boolean
  child: ChildProcess
}

/**
 * The signal is not sent if the server dies before requesting it: a process with another parent by then exits. Later
 * deaths end it through the signal.
 */
const onlyUnderParent = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"'

/**
 * Starts a long-running program. `setpriv --pdeathsig KILL` and the shell replace themselves by the program, so the pid
 * is the program's own, and kill -9 of the server leaves no orphan. The kernel binds the death signal to the spawning
 * thread (prctl(2), PR_SET_PDEATHSIG), so this is for the main thread only: a worker's end would kill the program.
 * @throws ServiceError MissingProgram naming the Debian package
 */
export function startProgram(o: StartOptions): OwnedProcess {
  const env = programEnvironment(o.env)
  // setpriv would report a missing program only by its exit code.
  const program = findProgram(o.command, env.PATH ?? '')
  if (program === undefined) throw missingProgram(o.command)
  if (findProgram('setpriv', env.PATH ?? '') === undefined) throw missingProgram('setpriv')
  const held = o.confinement && confined(o.confinement, program)
  const command = held === undefined ? [program] : [...held.before, directPath(program)]
  const guarded = ['/bin/sh', '-c', onlyUnderParent, 'sh', String(process.pid), ...command, ...o.args]
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...(held?.options ?? []), '--', ...guarded], {
    detached: o.newSession ?? false,
    ...(o.cwd !== undefined && { cwd: o.cwd }),
    env,
    stdio: o.stdio ?? 'ignore',
  })
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
    child.once('error', () => resolve({ code: 127, signal: null }))
  })
  const { pid } = child
  if (pid === undefined) throw missingProgram(o.command, o.cwd)
  const startTime = startTimeOf(pid) ?? ''
  return {
    pid,
    startTime,
    exited,
    child,
    kill: (signal = 'SIGTERM') =>
      child.exitCode === null && child.signalCode === null && sameProcess(pid, startTime) && process.kill(pid, signal),
  }
}
