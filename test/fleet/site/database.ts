import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { appendFile, chown, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { signal, treeOf } from './processes.ts'

const run = promisify(execFile)
const root = '/usr/lib/postgresql'
const asPostgres = ['--reuid=postgres', '--regid=postgres', '--clear-groups', '--']

/** A test's own PostgreSQL on one machine of the site, which can be paused and cut off like any other. */
export class SiteDatabase {
  readonly #child: ChildProcess
  readonly url: string

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
  }

  static async start(o: {
    directory: string
    namespace: string
    address: string
    env: Record<string, string>
  }): Promise<SiteDatabase> {
    const version = (await readdir(root)).toSorted((a, b) => Number(a) - Number(b)).at(-1) ?? ''
    const programs = join(root, version, 'bin')
    const data = join(o.directory, 'data')
    await mkdir(data, { mode: 0o700 })
    const [user, group] = await Promise.all(
      ['-u', '-g'].map(async (option) => Number((await run('id', [option, 'postgres'])).stdout)),
    )
    await chown(data, user!, group!)
    await run(
      'setpriv',
      [
        ...asPostgres,
        join(programs, 'initdb'),
        '-D',
        data,
        '-U',
        'postgres',
        '--auth=trust',
        '--no-sync',
        '--no-locale',
        '-E',
        'UTF8',
      ],
      { cwd: '/' },
    )
    await appendFile(join(data, 'pg_hba.conf'), 'host all all 10.0.0.0/8 trust\n')
    const settings = {
      listen_addresses: o.address,
      unix_socket_directories: '',
      fsync: 'off',
      full_page_writes: 'off',
      shared_buffers: '32MB',
      autovacuum: 'off',
    }
    const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const env = Object.entries(o.env).map(([name, value]) => `${name}=${value}`)
    const args = [
      'netns',
      'exec',
      o.namespace,
      'setpriv',
      ...asPostgres,
      'env',
      ...env,
      join(programs, 'postgres'),
      '-D',
      data,
      ...options,
    ]
    const child = spawn('ip', args, { stdio: 'ignore', cwd: '/' })
    for (let tries = 0; ; tries++) {
      const ready = await run(join(programs, 'pg_isready'), ['-h', o.address, '-q']).then(
        () => true,
        () => false,
      )
      if (ready) return new SiteDatabase(child, `postgres://postgres@${o.address}/postgres`)
      if (child.exitCode !== null || tries > 300) throw new Error(`the database did not start: ${child.exitCode}`)
      await sleep(100)
    }
  }

  /** The postmaster's, because `ip netns exec`, setpriv and env replace themselves by it. */
  get pid(): number {
    return this.#child.pid!
  }

  async stop(): Promise<void> {
    const over = new Promise((done) => this.#child.once('exit', done))
    signal(treeOf(this.pid), 'SIGCONT')
    this.#child.kill('SIGQUIT')
    await over
  }
}
