import { fork, spawn } from 'node:child_process'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AddedHost } from '@strongroom/contract'
import { freePort } from '@strongroom/platform'
import { serverNodeOptions } from '../../../apps/cli/src/up/server-command.ts'
import { sweepRuntime } from '../../../services/host/src/records/layout.ts'
import type { ReadDisk } from '../disk/records.ts'
import type { HadRelease } from '../hosts/attested-boot.ts'
import type { HostMessage, HostQuestion } from '../hosts/host-process.ts'
import { AskedChild } from './child.ts'
import { SiteDatabase } from './database.ts'
import { SiteCeph } from './site-ceph.ts'
import { cephDiskOf } from './site-ceph-disk.ts'
import { NetworkNodes } from '../../system/support/network-nodes.ts'
import { signal, treeOf } from './processes.ts'
import type { ServerQuestion, ServerReady } from './server-process.ts'
import { SkewedClock } from './skewed-clock.ts'

export interface SiteHost {
  name: string
  directory: string
  process: AskedChild
}

interface Parts {
  directory: string
  network: NetworkNodes
  database: SiteDatabase
  databaseClock: SkewedClock
  server: AskedChild
  serverClock: SkewedClock
  /** Where disks are, if not with the server. */
  ceph: SiteCeph | undefined
  stateDir: string
  hosts: SiteHost[]
  vmIds: string[]
}

/** By default, half of the hosts have no fence of their own. */
const isOdd = (index: number): boolean => index % 2 === 1

/** A whole fleet on one machine: a database, a server with the storage, and hosts, each a separate machine on the network. */
export class Site {
  readonly network: NetworkNodes
  readonly database: SiteDatabase
  readonly databaseClock: SkewedClock
  readonly server: AskedChild
  readonly serverClock: SkewedClock
  readonly ceph: SiteCeph | undefined
  readonly hosts: readonly SiteHost[]
  readonly vmIds: readonly string[]
  /** Everything that hosts received from the vault. */
  readonly releases: HadRelease[] = []
  readonly stateDir: string

  private constructor(o: Parts) {
    this.network = o.network
    this.database = o.database
    this.databaseClock = o.databaseClock
    this.server = o.server
    this.serverClock = o.serverClock
    this.ceph = o.ceph
    this.hosts = o.hosts
    this.vmIds = o.vmIds
    this.stateDir = o.stateDir
  }

  /**
   * @param o.ceph whether disks are in Ceph
   * @param o.mutation what is removed from the server's code
   * @param o.opened resources to close, last first
   */
  static async open(o: {
    directory: string
    hosts: number
    vms: number
    leaseSeconds: number
    ceph?: boolean | undefined
    isObstinate?: (index: number) => boolean
    mutation?: string | undefined
    opened: (() => Promise<void>)[]
  }): Promise<Site> {
    const { directory, opened } = o
    const network = await NetworkNodes.make({ letters: 'sf', second: 96 })
    opened.push(async () => await network.remove())
    const databaseClock = await SkewedClock.make(directory, 'database')
    const at = await network.add('db')
    const database = await SiteDatabase.start({ directory, ...at, env: databaseClock.env })
    opened.push(async () => await database.stop())
    const ceph = o.ceph === true ? await startedCeph(directory, network) : undefined
    opened.push(async () => await ceph?.stop())
    const serverClock = await SkewedClock.make(directory, 'server')
    const server = await startServer({ ...o, network, database, serverClock, ceph })
    opened.push(async () => await ended(server))
    const { stateDir } = await server.ask<ServerReady>(undefined)
    const parts: Parts = {
      directory,
      network,
      database,
      databaseClock,
      server,
      serverClock,
      ceph,
      stateDir,
      hosts: [],
      vmIds: [],
    }
    const site = new Site(parts)
    opened.push(async () => {
      site.endHosts()
      // Killed agents leave their memory-backed directories.
      for (const vmId of site.vmIds) await sweepRuntime(vmId)
    })
    for (let index = 0; index < o.hosts; index++) {
      const host = await joinedHost(parts, index, (o.isObstinate ?? isOdd)(index))
      parts.hosts.push(host)
      host.process.child.on('message', (message: HostMessage) => {
        if ('had' in message) site.releases.push(message.had)
      })
    }
    for (let index = 0; index < o.vms; index++) parts.vmIds.push(await madeVm(site, index))
    return site
  }

  async ask<T>(question: ServerQuestion): Promise<T> {
    return await this.server.ask<T>(question)
  }

  /** Of the VM's disk, in the storage. */
  async openDisk(vmId: string): Promise<{ read: ReadDisk; close(): Promise<void> }> {
    if (this.ceph !== undefined) return await cephDiskOf(this.ceph, vmId)
    const file = await open(join(this.stateDir, 'fleet', vmId, 'os-disk.raw'), 'r')
    const read: ReadDisk = async (offset, length) => {
      const bytes = Buffer.alloc(length)
      await file.read(bytes, 0, length, offset)
      return bytes
    }
    return { read, close: async () => await file.close() }
  }

  /** Writes that the storage has confirmed to the VM's writers, by epoch. */
  async confirmed(vmId: string): Promise<Record<number, number>> {
    const counts: Record<number, number> = {}
    for (const { directory } of this.hosts) {
      const text = await readFile(join(directory, 'guests', `${vmId}.confirmed`), 'utf8').catch(() => '')
      for (const line of text.split('\n').filter((each) => each !== '')) {
        const [epoch = 0, count = 0] = line.split(' ').map(Number)
        counts[epoch] = Math.max(counts[epoch] ?? 0, count)
      }
    }
    return counts
  }

  /** Cuts the power of all hosts. */
  endHosts(): void {
    for (const { process: host } of this.hosts) signal(treeOf(host.pid), 'SIGKILL')
  }
}

async function startServer(o: {
  directory: string
  network: NetworkNodes
  database: SiteDatabase
  serverClock: SkewedClock
  leaseSeconds: number
  ceph: SiteCeph | undefined
  mutation?: string | undefined
}): Promise<AskedChild> {
  const storeUrlFile = join(o.directory, 'store-url')
  await writeFile(storeUrlFile, o.database.url, { mode: 0o600 })
  const fleetAddress = `${o.network.address}:${await freePort()}`
  const program = join(import.meta.dirname, 'server-process.ts')
  const storage = o.ceph === undefined ? [] : [await o.ceph.storageFile()]
  const mutation = o.mutation !== undefined && { STRONGROOM_TEST_MUTATION: o.mutation }
  const env = { ...process.env, ...o.serverClock.env, ...mutation }
  return new AskedChild(
    fork(program, [fleetAddress, storeUrlFile, String(o.leaseSeconds), ...storage], {
      execArgv: [...serverNodeOptions],
      env,
    }),
  )
}

async function startedCeph(directory: string, network: NetworkNodes): Promise<SiteCeph> {
  const { address } = await network.add('ceph')
  return await SiteCeph.start({ directory, within: network.within('ceph'), address })
}

async function ended({ child }: AskedChild): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const over = new Promise((done) => child.once('exit', done))
  signal(treeOf(child.pid!), 'SIGCONT')
  child.send({ ask: 'end' } satisfies ServerQuestion)
  await over
}

/** On a busy machine a host may be lost during a creation, which is then repeated like its owner would. */
async function madeVm(site: Site, index: number): Promise<string> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await site.ask<string>({ ask: 'vm', name: `vm-${index}-${attempt}` })
    } catch (error) {
      if (attempt === 10 || !String(error).includes('HostUnreachable')) throw error
    }
  }
}

async function joinedHost(
  { directory, network, server }: Parts,
  index: number,
  isObstinate: boolean,
): Promise<SiteHost> {
  const name = `host-${index}`
  const { namespace } = await network.add(name)
  const added = await server.ask<AddedHost>({ ask: 'host', name } satisfies ServerQuestion)
  const own = join(directory, name)
  await mkdir(own, { mode: 0o700 })
  const program = join(import.meta.dirname, '../hosts/host-process.ts')
  const args = [process.execPath, ...serverNodeOptions, program, own, isObstinate ? 'obstinate' : 'obedient']
  const child = spawn('ip', ['netns', 'exec', namespace, ...args], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const host = new AskedChild(child)
  await host.ask({ ask: 'join', address: added.address, code: added.joinCode } satisfies HostQuestion)
  return { name, directory: own, process: host }
}
