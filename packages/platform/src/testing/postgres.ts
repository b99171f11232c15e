import { spawn } from 'node:child_process'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ServiceError } from '../errors/errors.ts'
import { startTimeOf } from '../programs/process.ts'

/** On a machine whose cores are taken, and within the limit of a test's setup. */
const startMs = 110_000

/**
 * One private Postgres cluster for a whole vitest run, with any number of workers: the first caller starts a guard
 * process, which owns the cluster and removes it when the run's main process has ended. Returns the URL of its Unix
 * socket; there is no TCP listener.
 */
export async function testPostgres(): Promise<string> {
  // vitest runs each file in a child process; the run itself is the parent.
  const run = process.ppid
  const directory = join(tmpdir(), `strongroom-postgres-${run}-${startTimeOf(run)}`)
  const first = await mkdir(directory, { mode: 0o711 }).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false
      throw error
    },
  )
  if (first) {
    const programs = await postgresPrograms()
    const guard = join(import.meta.dirname, 'postgres-guard.ts')
    const args = [guard, directory, programs, String(run), startTimeOf(run) ?? '']
    spawn(process.execPath, ['--conditions=x-source', ...args], {
      detached: true,
      stdio: 'ignore',
      env: { PATH: process.env.PATH },
    }).unref()
  }
  const deadline = Date.now() + startMs
  while (Date.now() < deadline) {
    const state = await readFile(join(directory, 'state'), 'utf8').catch(() => '')
    if (state === 'ready') return `postgres://postgres@localhost/postgres?host=${encodeURIComponent(directory)}`
    if (state !== '') throw new Error(`the private Postgres cluster did not start: ${state}`)
    await sleep(50)
  }
  throw new Error(`the private Postgres cluster in ${directory} was not ready within ${startMs / 1000} s`)
}

/** Debian keeps each version's server programs in a separate folder, outside PATH. */
async function postgresPrograms(): Promise<string> {
  const root = '/usr/lib/postgresql'
  const versions = (await readdir(root).catch(() => [])).toSorted((a, b) => Number(a) - Number(b))
  const newest = versions.at(-1)
  if (newest === undefined) {
    throw new ServiceError({
      code: 'MissingProgram',
      message: 'The store tests need PostgreSQL, which is not installed.',
      expected: `${root}/*/bin/initdb`,
      found: 'nothing',
      remedy: 'apt-get install -y postgresql, or set STRONGROOM_TEST_POSTGRES to the URL of a server.',
    })
  }
  return join(root, newest, 'bin')
}
