import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run, ServiceError, startProgram, type OwnedProcess } from '@strongroom/platform'
import type { TpmDirectory } from './tpm-directory.ts'

export interface Swtpm {
  process: OwnedProcess
  directory: TpmDirectory
  /** Data socket; the control socket is beside it, with the suffix that tpm2-tools expect. */
  socket: string
  controlSocket: string
}

/** `clear`: powered on. `resume`: waits for INIT, so that a saved state can be loaded. `qemu`: QEMU powers it on. */
export type Startup = 'clear' | 'resume' | 'qemu'

let version: Promise<string> | undefined

/** Name and version of the software TPM, for example `swtpm 0.10.0`. Asked once. */
export async function swtpmVersion(): Promise<string> {
  version ??= run({ command: 'swtpm', args: ['--version'] }).then(
    ({ stdout }) => `swtpm ${/version (\d+(?:\.\d+)*)/.exec(stdout.toString())?.[1] ?? 'of an unknown version'}`,
  )
  return await version
}

/**
 * Starts the software TPM on a state directory; an empty one makes a new TPM. The process has a separate session, so
 * that Ctrl-C of the server does not reach it, and dies with the server. It runs as its directory's user, opens nothing
 * else by name, and keeps its own seccomp filter.
 * @param o.name of the sockets in the directory, which can serve several in a row
 */
export async function startSwtpm(o: { directory: TpmDirectory; name: string; startup: Startup }): Promise<Swtpm> {
  const { directory } = o
  const socket = join(directory.path, o.name)
  const controlSocket = `${socket}.ctrl`
  const process = startProgram({
    command: 'swtpm',
    args: [
      'socket',
      '--tpm2',
      '--tpmstate',
      `dir=${directory.path},mode=0600`,
      '--ctrl',
      `type=unixio,path=${controlSocket},mode=0600`,
      // QEMU supplies a separate data channel; a server of ours would conflict.
      ...(o.startup === 'qemu' ? [] : ['--server', `type=unixio,path=${socket},mode=0600`]),
      ...(o.startup === 'clear' ? ['--flags', 'startup-clear'] : []),
    ],
    confinement: directory.confinement,
    newSession: true,
    dieWithParent: true,
  })
  await waitForSocket(process, o.startup === 'qemu' ? controlSocket : socket)
  return { process, directory, socket, controlSocket }
}

export async function stopSwtpm(tpm: Swtpm): Promise<void> {
  tpm.process.kill('SIGTERM')
  const ended = await Promise.race([tpm.process.exited, sleep(3_000, undefined, { ref: false })])
  if (ended === undefined) {
    tpm.process.kill('SIGKILL')
    await tpm.process.exited
  }
}

/**
 * Runs one of tpm2-tools against it, as the TPM's user: it processes the TPM's answers. Its files are in the TPM's
 * directory. Arguments contain no secrets: all authorisations are empty, as on Azure.
 *
 * @throws ServiceError VtpmEnded if the TPM has ended
 */
export async function tpmTool(tpm: Swtpm, tool: string, args: string[]): Promise<Buffer> {
  const env = { TPM2TOOLS_TCTI: `swtpm:path=${tpm.socket}`, TSS2_LOG: 'all+NONE' }
  try {
    return (await run({ command: tool, args, env, confinement: tpm.directory.confinement, timeoutMs: 20_000 })).stdout
  } catch (cause) {
    // Its end is reported slightly later than the tool's.
    const ended = tpm.process.exited.then(() => true)
    if (!(await Promise.race([ended, sleep(100, false)]))) throw cause
    throw vtpmEnded({ when: `before it answered ${tool}`, found: 'swtpm ended', cause })
  }
}

export function vtpmEnded(o: { when: string; found: string; cause?: unknown }): ServiceError {
  return new ServiceError({
    code: 'VtpmEnded',
    message: `The software TPM exited ${o.when}. It is not replaced.`,
    expected: 'a TPM that runs as long as its VM',
    found: o.found,
    remedy: 'Find out from the system’s log why swtpm exited, then start the VM again.',
    ...(o.cause !== undefined && { cause: o.cause }),
  })
}

/** How long it may take to start on a busy machine. */
const startLimitMs = 15_000

/** Until somebody listens: the socket has its name before that, and a tool that comes too early is refused. */
async function waitForSocket(process: OwnedProcess, path: string): Promise<void> {
  let ended = false
  void process.exited.then(() => (ended = true))
  for (const end = Date.now() + startLimitMs; Date.now() < end && !ended;) {
    if (await listens(path)) return
    await sleep(10)
  }
  process.kill('SIGKILL')
  throw new ServiceError({
    code: 'VtpmDidNotStart',
    message: 'The software TPM did not start.',
    expected: `a socket within ${startLimitMs / 1000} s`,
    found: ended ? 'swtpm ended' : 'no socket',
    remedy:
      'Check that the package swtpm is installed completely and that its AppArmor profile allows the memory-backed directory.',
  })
}

async function listens(path: string): Promise<boolean> {
  const socket = connect(path)
  return await new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  }).finally(() => socket.destroy())
}
