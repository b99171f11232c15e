import { spawn, type ChildProcess } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ErrorDetail } from '@strongroom/contract'
import { CliError } from '../core/cli-error.ts'
import type { Paths } from '../core/paths.ts'

/** What strongroomd tells the process that started it, over the IPC channel. */
export type ServerMessage =
  | { type: 'ready'; firstStart?: { ownerAppId: string; ownerSecret: string; tenantId: string } }
  | { type: 'failed'; error: ErrorDetail }

export interface ServerOptions {
  paths: Paths
  tlsPort?: string
  localPort?: string
  mode?: string
}

export interface RunningServer {
  child: ChildProcess
  firstStart?: { ownerAppId: string; ownerSecret: string; tenantId: string }
  exited: Promise<number>
}

const entry = resolve(import.meta.dirname, '../../../strongroomd/src/main.ts')

/**
 * Starts strongroomd in a session of its own, so that Ctrl-C reaches this process alone, which then asks for a clean end.
 * If this process dies, the IPC channel closes and the server stops by itself.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  await mkdir(options.paths.state, { recursive: true, mode: 0o700 })
  const args = ['--conditions=x-source', '--disable-warning=ExperimentalWarning', entry, '--state-dir', options.paths.state, '--cache-dir', options.paths.cache]
  if (options.tlsPort !== undefined) args.push('--port', options.tlsPort)
  if (options.localPort !== undefined) args.push('--local-port', options.localPort)
  if (options.mode !== undefined) args.push('--mode', options.mode)
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const exited = new Promise<number>((done) => child.once('exit', (code) => done(code ?? 1)))
  const message = await new Promise<ServerMessage>((done, fail) => {
    child.once('message', (value) => done(value as ServerMessage))
    child.once('error', fail)
    void exited.then((code) =>
      fail(
        new CliError({
          code: 'ServerDied',
          message: `The server ended with code ${code} before it was ready.`,
          remedy: `Look at ${options.paths.state}/server.log.`,
        }),
      ),
    )
  })
  if (message.type === 'failed') {
    await exited
    throw CliError.fromDetail(message.error, 500)
  }
  return { child, exited, ...(message.firstStart === undefined ? {} : { firstStart: message.firstStart }) }
}

/** Asks the server to stop its VMs and services, and waits for it. A second call is a hard end. */
export async function stopServer(server: RunningServer): Promise<void> {
  if (server.child.exitCode === null) server.child.kill('SIGTERM')
  await server.exited
}
