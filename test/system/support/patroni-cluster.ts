import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { NetworkNodes } from './network-nodes.ts'

const names = ['one', 'two', 'three'] as const
export type NodeName = (typeof names)[number]

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

interface Node {
  name: NodeName
  address: string
  folder: string
  etcd?: ChildProcess
  patroni?: ChildProcess
}

/**
 * Three nodes, each with an etcd member, a Patroni and its PostgreSQL in a network namespace, set up as in
 * docs/guides/operate.md: synchronous and strict, so that what was acknowledged is on two of them. Needs root and
 * Debian's packages.
 */
export class PatroniCluster {
  readonly #network: NetworkNodes
  readonly #folder: string
  readonly #nodes: Node[] = []
  readonly #password = randomBytes(16).toString('hex')
  readonly #programs: string
  readonly #user: { uid: number; gid: number }

  private constructor(o: {
    network: NetworkNodes
    folder: string
    programs: string
    user: { uid: number; gid: number }
  }) {
    this.#network = o.network
    this.#folder = o.folder
    this.#programs = o.programs
    this.#user = o.user
  }

  static async start(): Promise<PatroniCluster> {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-patroni-'))
    const network = await NetworkNodes.make({ letters: 'pg', second: 97 })
    const versions = (await readdir('/usr/lib/postgresql')).toSorted((a, b) => Number(b) - Number(a))
    const id = async (option: string): Promise<number> =>
      Number((await promisify(execFile)('id', [option, 'postgres'])).stdout)
    const user = { uid: await id('-u'), gid: await id('-g') }
    await chown(folder, user.uid, user.gid)
    const programs = join('/usr/lib/postgresql', versions[0] ?? '', 'bin')
    const cluster = new PatroniCluster({ network, folder, programs, user })
    try {
      for (const name of names) await cluster.#add(name)
      for (const node of cluster.#nodes) await cluster.#startEtcd(node)
      for (const node of cluster.#nodes) await cluster.#startPatroni(node)
      await cluster.settled()
    } catch (error) {
      await cluster.remove()
      throw error
    }
    return cluster
  }

  /** libpq's URL of all three. */
  get url(): string {
    const hosts = this.#nodes.map(({ address }) => `${address}:5432`).join(',')
    return `postgres://postgres:${this.#password}@${hosts}/postgres?target_session_attrs=read-write`
  }

  /** @returns the primary, once all three follow one and one of them does so synchronously */
  async settled(patienceMs = 120_000): Promise<NodeName> {
    const deadline = Date.now() + patienceMs
    let seen = ''
    while (Date.now() < deadline) {
      const members = await this.#members()
      seen = JSON.stringify(members)
      const leader = members.find(({ role, state }) => role === 'leader' && state === 'running')
      const followers = members.filter(({ role, state }) => role !== 'leader' && state === 'streaming')
      if (leader !== undefined && followers.length === 2 && followers.some(({ role }) => role === 'sync_standby'))
        return leader.name
      await sleep(300)
    }
    throw new Error(`the cluster has not settled: ${seen}\n${await this.#log('one')}`)
  }

  /** kill -9 of the node's Patroni and PostgreSQL, with all their processes; `start` brings them back. */
  async kill(name: NodeName): Promise<void> {
    const node = this.#node(name)
    const postmaster = await this.#postmaster(node)
    if (node.patroni?.pid !== undefined) kill(-node.patroni.pid)
    if (postmaster !== undefined) await this.#killTree(postmaster)
    await this.#ended(node.patroni)
    delete node.patroni
  }

  /** kill -9 of PostgreSQL only: Patroni notices it. */
  async killDatabase(name: NodeName): Promise<void> {
    const postmaster = await this.#postmaster(this.#node(name))
    if (postmaster !== undefined) await this.#killTree(postmaster)
  }

  /** Drops all packets to and from the node. */
  async cutOff(name: NodeName): Promise<void> {
    await this.#network.setLink(name, false)
  }

  /** Patroni stops and its PostgreSQL continues: a primary that does not know that it no longer is one. */
  pausePatroni(name: NodeName): void {
    process.kill(this.#node(name).patroni!.pid!, 'SIGSTOP')
  }

  /** Undoes all faults of the node. */
  async restore(name: NodeName): Promise<void> {
    const node = this.#node(name)
    await this.#network.setLink(name, true)
    if (node.patroni === undefined) await this.#startPatroni(node)
    else process.kill(node.patroni.pid!, 'SIGCONT')
  }

  async remove(): Promise<void> {
    for (const node of this.#nodes) {
      await this.kill(node.name)
      node.etcd?.kill('SIGKILL')
      await this.#ended(node.etcd)
    }
    await this.#network.remove()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #add(name: NodeName): Promise<void> {
    const folder = join(this.#folder, name)
    await mkdir(folder, { mode: 0o700 })
    await chown(folder, this.#user.uid, this.#user.gid)
    this.#nodes.push({ name, folder, address: (await this.#network.add(name)).address })
  }

  async #startEtcd(node: Node): Promise<void> {
    const peers = this.#nodes.map(({ name, address }) => `${name}=http://${address}:2380`).join(',')
    const options = {
      name: node.name,
      'data-dir': join(node.folder, 'etcd'),
      'listen-peer-urls': `http://${node.address}:2380`,
      'initial-advertise-peer-urls': `http://${node.address}:2380`,
      'listen-client-urls': `http://${node.address}:2379`,
      'advertise-client-urls': `http://${node.address}:2379`,
      'initial-cluster': peers,
      'initial-cluster-state': 'new',
    }
    node.etcd = await this.#spawn(node, 'etcd', [
      'etcd',
      ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
    ])
  }

  async #startPatroni(node: Node): Promise<void> {
    const account = (username: string): object => ({ username, password: this.#password })
    const hosts = `${node.address.replace(/\.\d+$/, '.0')}/24`
    const settings = {
      scope: 'strongroom',
      name: node.name,
      restapi: { listen: `${node.address}:8008`, connect_address: `${node.address}:8008` },
      etcd3: { hosts: this.#nodes.map(({ address }) => `${address}:2379`) },
      bootstrap: {
        dcs: {
          ttl: 20,
          loop_wait: 2,
          retry_timeout: 5,
          primary_start_timeout: 0,
          synchronous_mode: true,
          synchronous_mode_strict: true,
          maximum_lag_on_failover: 0,
          postgresql: {
            use_pg_rewind: true,
            parameters: { synchronous_commit: 'on', wal_log_hints: 'on', max_connections: 200, shared_buffers: '32MB' },
          },
        },
        initdb: [{ encoding: 'UTF8' }, { locale: 'C' }, 'data-checksums'],
      },
      postgresql: {
        listen: `${node.address}:5432`,
        connect_address: `${node.address}:5432`,
        data_dir: join(node.folder, 'data'),
        bin_dir: this.#programs,
        pgpass: join(node.folder, 'pgpass'),
        authentication: {
          superuser: account('postgres'),
          replication: account('replicator'),
          rewind: account('rewinder'),
        },
        pg_hba: [
          'local all all peer',
          `host all all ${hosts} scram-sha-256`,
          `host replication replicator ${hosts} scram-sha-256`,
        ],
        parameters: { unix_socket_directories: node.folder },
      },
    }
    const file = join(node.folder, 'patroni.json')
    // JSON is YAML.
    await writeFile(file, JSON.stringify(settings), { mode: 0o600 })
    await chown(file, this.#user.uid, this.#user.gid)
    node.patroni = await this.#spawn(node, 'patroni', ['patroni', file])
  }

  async #spawn(node: Node, log: string, command: string[]): Promise<ChildProcess> {
    const { uid, gid } = this.#user
    const as = ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--']
    const [file = '', ...args] = [...this.#network.within(node.name), ...as, ...command]
    const output = await open(join(node.folder, `${log}.log`), 'a')
    const child = spawn(file, args, {
      stdio: ['ignore', output.fd, output.fd],
      detached: true,
      cwd: node.folder,
      env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', HOME: node.folder },
    })
    await output.close()
    return child
  }

  async #members(): Promise<{ name: NodeName; role: string; state: string }[]> {
    for (const { address } of this.#nodes) {
      const answer = await fetch(`http://${address}:8008/cluster`, { signal: AbortSignal.timeout(2000) }).catch(
        () => undefined,
      )
      if (answer?.ok !== true) continue
      return ((await answer.json()) as { members: { name: NodeName; role: string; state: string }[] }).members
    }
    return []
  }

  async #postmaster(node: Node): Promise<number | undefined> {
    const text = await readFile(join(node.folder, 'data/postmaster.pid'), 'utf8').catch(() => '')
    const pid = Number(text.split('\n')[0])
    if (!(pid > 0)) return undefined
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    return command.includes(join(node.folder, 'data')) ? pid : undefined
  }

  /** A postmaster's children exit by themselves once it is gone, some only after they finish their work. */
  async #killTree(pid: number): Promise<void> {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '')
    for (const each of [pid, ...children.split(' ').filter(Boolean).map(Number)]) kill(each)
    while ((await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')) !== '') await sleep(20)
  }

  async #ended(child: ChildProcess | undefined): Promise<void> {
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    await new Promise((done) => child.once('exit', done))
  }

  #node(name: NodeName): Node {
    return this.#nodes.find((node) => node.name === name)!
  }

  async #log(name: NodeName): Promise<string> {
    return (await readFile(join(this.#node(name).folder, 'patroni.log'), 'utf8').catch(() => '')).slice(-4000)
  }
}
