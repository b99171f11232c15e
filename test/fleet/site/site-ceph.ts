import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { signal, treeOf } from './processes.ts'

const run = promisify(execFile)

/** The rights of the server's user, as docs/guides/fleet.md has them given. */
async function documentedCaps(): Promise<string[]> {
  const page = await readFile(join(import.meta.dirname, '../../../docs/guides/fleet.md'), 'utf8')
  const [, osd, mon] = /get-or-create client\.strongroom [^"]*osd "([^"]+)"[^"]*mon "([^"]+)"/.exec(page) ?? []
  if (osd === undefined || mon === undefined) throw new Error('docs/guides/fleet.md gives client.strongroom no rights')
  return ['osd', osd, 'mon', mon]
}

/** A test's own Ceph on one machine of the site: a monitor and a storage daemon with one file, from Debian's packages. */
export class SiteCeph {
  /** As in the documented rights. */
  readonly pool = 'strongroom'
  readonly #directory: string
  readonly #within: readonly string[]
  readonly #address: string
  readonly #daemons: ChildProcess[] = []

  private constructor(o: { directory: string; within: readonly string[]; address: string }) {
    this.#directory = join(o.directory, 'ceph')
    this.#within = o.within
    this.#address = o.address
  }

  /** @param o.within prefix that runs a command on its machine */
  static async start(o: { directory: string; within: readonly string[]; address: string }): Promise<SiteCeph> {
    const ceph = new SiteCeph(o)
    try {
      await ceph.#layMonitor()
      ceph.#start('ceph-mon', ['-i', 'a'])
      await ceph.#layStorage()
      ceph.#start('ceph-osd', ['-i', '0'])
      await ceph.command('osd', 'pool', 'create', ceph.pool, '8')
      await ceph.command('osd', 'pool', 'application', 'enable', ceph.pool, 'rbd')
      const keyring = ceph.#at('strongroom.keyring')
      await ceph.command('auth', 'get-or-create', 'client.strongroom', ...(await documentedCaps()), '-o', keyring)
      await chmod(keyring, 0o600)
      return ceph
    } catch (error) {
      await ceph.stop()
      throw error
    }
  }

  get configuration(): string {
    return this.#at('ceph.conf')
  }

  /** Of the storage daemon, which can be paused. */
  get storagePids(): number[] {
    return treeOf(this.#daemons[1]!.pid!)
  }

  /** The file of `--fleet-storage`. */
  async storageFile(): Promise<string> {
    const file = this.#at('storage.json')
    const keyring = this.#at('strongroom.keyring')
    await writeFile(
      file,
      JSON.stringify({ kind: 'ceph', pool: this.pool, user: 'strongroom', keyring, conf: this.configuration }),
    )
    return file
  }

  /** `ceph`, as the administrator. @returns its output */
  async command(...args: string[]): Promise<string> {
    const { stdout } = await run('ceph', [...this.asAdministrator, '--connect-timeout', '60', ...args])
    return stdout
  }

  /** Options of `ceph`, `rbd` and `rados`. */
  get asAdministrator(): string[] {
    return ['-c', this.configuration, '--keyring', this.#at('admin.keyring')]
  }

  async stop(): Promise<void> {
    for (const daemon of this.#daemons) {
      if (daemon.exitCode !== null || daemon.signalCode !== null) continue
      const over = new Promise((done) => daemon.once('exit', done))
      signal(treeOf(daemon.pid!), 'SIGKILL')
      await over
    }
  }

  #at(name: string): string {
    return join(this.#directory, name)
  }

  async #layMonitor(): Promise<void> {
    const fsid = randomUUID()
    await mkdir(this.#at('mon'), { recursive: true, mode: 0o700 })
    await writeFile(this.configuration, configurationOf({ fsid, address: this.#address, directory: this.#directory }))
    const [monitor, admin, map] = [this.#at('mon.keyring'), this.#at('admin.keyring'), this.#at('monmap')]
    const all = ['mon', 'osd', 'mgr'].flatMap((service) => ['--cap', service, 'allow *'])
    await run('ceph-authtool', ['--create-keyring', monitor, '--gen-key', '-n', 'mon.', '--cap', 'mon', 'allow *'])
    await run('ceph-authtool', ['--create-keyring', admin, '--gen-key', '-n', 'client.admin', ...all])
    await run('ceph-authtool', [monitor, '--import-keyring', admin])
    await run('monmaptool', ['--create', '--fsid', fsid, '--addv', 'a', monitorOf(this.#address), map])
    await run('ceph-mon', ['-c', this.configuration, '--mkfs', '-i', 'a', '--monmap', map, '--keyring', monitor])
  }

  async #layStorage(): Promise<void> {
    const [uuid, directory] = [randomUUID(), this.#at('osd')]
    await mkdir(directory, { mode: 0o700 })
    await this.command('osd', 'new', uuid, '0')
    await this.command(
      'auth',
      'get-or-create',
      'osd.0',
      'mon',
      'profile osd',
      'osd',
      'allow *',
      '-o',
      join(directory, 'keyring'),
    )
    await run('ceph-osd', ['-c', this.configuration, '--mkfs', '-i', '0', '--osd-uuid', uuid, '--no-mon-config'])
  }

  #start(program: string, args: string[]): void {
    const [command = '', ...before] = this.#within
    this.#daemons.push(
      spawn(command, [...before, program, '-f', '-c', this.configuration, ...args], { stdio: 'ignore', cwd: '/' }),
    )
  }
}

const monitorOf = (address: string): string => `[v2:${address}:3300,v1:${address}:6789]`

const configurationOf = (o: { fsid: string; address: string; directory: string }): string =>
  Object.entries({
    '[global]': '',
    fsid: o.fsid,
    'mon host': monitorOf(o.address),
    'public addr': o.address,
    'auth cluster required': 'cephx',
    'auth service required': 'cephx',
    'auth client required': 'cephx',
    'osd pool default size': '1',
    'osd pool default min size': '1',
    'mon allow pool size one': 'true',
    'osd crush chooseleaf type': '0',
    'mon data': join(o.directory, 'mon'),
    'osd data': join(o.directory, 'osd'),
    // One sparse file.
    'osd objectstore': 'bluestore',
    'bluestore block create': 'true',
    'bluestore block size': String(16 * 2 ** 30),
    'osd memory target': '939524096',
    'mon data avail warn': '1',
    'mon data avail crit': '1',
    'run dir': o.directory,
    'admin socket': join(o.directory, '$name.asok'),
    'log file': join(o.directory, '$name.log'),
    '[client.admin]': '',
    keyring: join(o.directory, 'admin.keyring'),
  })
    .map(([name, value]) => (value === '' ? name : `${name} = ${value}`))
    .join('\n')
    .concat('\n')
