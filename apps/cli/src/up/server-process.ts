import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import type { ErrorDetail } from '@strongroom/contract'
import { CliError } from '../core/cli-error.ts'
import type { Paths } from '../core/paths.ts'
import type { HeldListeners } from './held-listeners.ts'
import { serverCommand } from './server-command.ts'

/** strongroomd's messages to its parent, over the IPC channel. */
type ServerMessage =
  | { type: 'ready'; firstStart?: { ownerAppId: string; ownerSecret: string; tenantId: string } }
  | { type: 'failed'; error: ErrorDetail }
  /** With the socket. */
  | { type: 'listener'; name: string }
  | { type: 'restart' }

export interface ServerOptions {
  paths: Paths
  tlsPort?: string
  localPort?: string
  mode?: string
  compute?: string
  strictImages?: boolean
  testApi?: boolean
  /** ADDRESS:PORT on which hosts reach the server. */
  fleetAddress?: string
  /** File that says where disks of joined hosts' VMs are. */
  fleetStorageFile?: string
  /** File with the URL of the PostgreSQL that keeps the stores. */
  storeUrlFile?: string
  /** Folder of the state, which the server removes at its end. */
  temporaryHome?: string
  /** Replaces variables of this process's environment. */
  env?: NodeJS.ProcessEnv
  /** Where the server's own output goes; by default to this process's. */
  output?: 'ignore' | 'inherit'
  /** Listening sockets that this process holds for the next server. */
  listeners?: HeldListeners
}

export interface RunningServer {
  child: ChildProcess
  firstStart?: { ownerAppId: string; ownerSecret: string; tenantId: string }
  exited: Promise<number>
  /** Resolves when its owner wants another server in its place. */
  restartRequested: Promise<'restart'>
}

/**
 * Starts strongroomd in a separate session, so that Ctrl-C reaches only this process, which then requests a clean end.
 * If this process dies, the IPC channel closes and the server stops by itself.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  await mkdir(options.paths.state, { recursive: true, mode: 0o700 })
  const { paths, env, output = 'inherit', listeners, ...rest } = options
  const files = listeners?.files
  const command = await serverCommand({
    ...rest,
    stateDir: paths.state,
    cacheDir: paths.cache,
    handOver: listeners !== undefined,
    // Behind the three standard ones and the channel.
    ...(files !== undefined && { inheritedListeners: files.map((_file, index) => 4 + index) }),
  })
  const child = spawn(command.file, command.args, {
    detached: true,
    stdio: ['ignore', output, output, 'ipc', ...(files ?? [])],
    env: { ...process.env, ...command.env, ...env },
  })
  const exited = new Promise<number>((done) => child.once('exit', (code) => done(code ?? 1)))
  let requestRestart: (() => void) | undefined
  const restartRequested = new Promise<'restart'>((done) => (requestRestart = () => done('restart')))
  const message = await new Promise<Extract<ServerMessage, { type: 'ready' | 'failed' }>>((done, fail) => {
    child.on('message', (value, socket) => {
      const received = value as ServerMessage
      if (received.type === 'listener') listeners?.hold(received.name, socket)
      else if (received.type === 'restart') requestRestart?.()
      else done(received)
    })
    child.once('error', fail)
    void exited.then((code) =>
      fail(
        new CliError({
          code: 'ServerDied',
          message: `The server exited with code ${code} before it was ready.`,
          remedy: `Check ${options.paths.state}/server.log.`,
        }),
      ),
    )
  })
  if (message.type === 'failed') {
    await exited
    throw CliError.fromDetail(message.error, 500)
  }
  return {
    child,
    exited,
    restartRequested,
    ...(message.firstStart === undefined ? {} : { firstStart: message.firstStart }),
  }
}

/** Asks the server to stop its VMs and services, and waits for it. A second call is a hard end. */
export async function stopServer(server: RunningServer): Promise<void> {
  if (server.child.exitCode === null) server.child.kill('SIGTERM')
  await server.exited
}
