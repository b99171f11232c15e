/**
 * Owns the private Postgres cluster of one vitest run: argv is DIRECTORY PROGRAMS RUN-PID RUN-START-TIME.
 * Writes `ready` or the reason of failure to DIRECTORY/state; ends with the run.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sameProcess } from '../programs/process.ts'

const [directory, programs, runPid, runStartTime] = process.argv.slice(2) as [string, string, string, string]
const data = join(directory, 'data')
const runLives = (): boolean => sameProcess(Number(runPid), runStartTime)

function setState(state: string): void {
  writeFileSync(join(directory, 'state.new'), state)
  renameSync(join(directory, 'state.new'), join(directory, 'state'))
}

/** Postgres refuses to run as root, so root becomes Debian's `postgres` user. */
function asPostgres(program: string, args: string[]): [string, string[]] {
  const command = join(programs, program)
  if (process.getuid?.() !== 0) return [command, args]
  return ['setpriv', ['--reuid=postgres', '--regid=postgres', '--clear-groups', '--', command, ...args]]
}

function userId(option: '-u' | '-g'): number {
  return Number(spawnSync('id', [option, 'postgres'], { encoding: 'utf8' }).stdout)
}

function startCluster(): ChildProcess {
  mkdirSync(data, { mode: 0o700 })
  if (process.getuid?.() === 0) {
    chownSync(directory, userId('-u'), userId('-g'))
    chownSync(data, userId('-u'), userId('-g'))
  }
  const init = spawnSync(
    ...asPostgres('initdb', ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync', '--no-locale', '-E', 'UTF8']),
    {
      encoding: 'utf8',
      cwd: '/',
    },
  )
  if (init.status !== 0) throw new Error(`initdb: ${init.error?.message ?? init.stderr}`)
  const settings = {
    listen_addresses: '',
    unix_socket_directories: directory,
    unix_socket_permissions: '0700',
    fsync: 'off',
    synchronous_commit: 'off',
    full_page_writes: 'off',
    shared_buffers: '32MB',
    max_connections: '200',
    autovacuum: 'off',
  }
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  return spawn(...asPostgres('postgres', ['-D', data, ...options]), { stdio: 'ignore', cwd: '/' })
}

let server: ChildProcess | undefined
try {
  server = startCluster()
  const socket = join(directory, '.s.PGSQL.5432')
  const accepts = (): boolean => spawnSync(join(programs, 'pg_isready'), ['-h', directory, '-q']).status === 0
  while (!existsSync(socket) || !accepts()) {
    if (server.exitCode !== null) throw new Error(`postgres ended with ${server.exitCode}`)
    await sleep(30)
  }
  setState('ready')
  while (runLives() && server.exitCode === null) await sleep(200)
} catch (error) {
  setState(error instanceof Error ? error.message : String(error))
  while (runLives()) await sleep(200)
} finally {
  if (server && server.exitCode === null) {
    const ended = new Promise((resolve) => server?.once('exit', resolve))
    // Immediate shutdown: nothing in the cluster is kept.
    server.kill('SIGQUIT')
    await ended
  }
  rmSync(directory, { recursive: true, force: true })
}
