import type { CephDisk } from '@strongroom/contract'
import { ServiceError, type Logger } from '@strongroom/platform'
import { placementOver, type StorageBackend } from '../storage-backend.ts'
import type { CephCluster } from './ceph-cluster.ts'

/** Of the server's own objects: hosts have no access to it. */
const ownNamespace = 'strongroom'
const image = 'os-disk'
/**
 * How long a shut-out connection stays so: longer than a ticket of a removed key lasts (auth_service_ticket_ttl, one
 * hour), and than a storage daemon keeps an idle connection (ms_connection_idle_timeout, 15 minutes).
 */
const shutOutSeconds = 86_400

/** What is known of those that may have a VM's disk open, in the cluster: another server continues from it. */
interface Opened {
  epoch: number
  /** Addresses of connections: ADDRESS:PORT/NONCE, unique to a process. */
  clients: string[]
}

/**
 * Disks and guest states in a Ceph pool: each VM's disk is an RBD image in a namespace of its own, which its host opens
 * itself. Its key belongs to one epoch. What is removed or shut out here is so for all storage daemons: Ceph applies no
 * operation of a blocklisted client after one that a client sent which knew of the list.
 */
export class CephStorage implements StorageBackend {
  readonly #cluster: CephCluster
  readonly #logger: Logger

  constructor(cluster: CephCluster, logger: Logger) {
    this.#cluster = cluster
    this.#logger = logger
  }

  /** Which pool of which cluster. */
  async place(): Promise<{ fsid: string; pool: string }> {
    return { fsid: (await this.#cluster.identity()).fsid, pool: this.#cluster.pool }
  }

  async fence(vmId: string, epoch: number): Promise<void> {
    const opened = await this.#opened(vmId)
    if (opened !== undefined && opened.epoch > epoch) throw placementOver({ vmId, epoch, now: opened.epoch })
    if (opened?.epoch === epoch) return
    if (opened !== undefined) {
      // The key first: nobody connects with it who is not seen below.
      await this.#cluster.command({ prefix: 'auth rm', entity: `client.${userOf(vmId, opened.epoch)}` })
      await this.#shutOut(vmId, opened)
      this.#logger.info({ vmId, epoch }, 'the disk of an earlier placement is closed')
    }
    await this.#remember(vmId, { epoch, clients: [] })
  }

  /** Access to the disk at the present epoch. What had it open before at this epoch has ended, and writes no more. */
  async access(o: { vmId: string; epoch: number; bytes: number }): Promise<CephDisk> {
    const { vmId, epoch } = o
    const opened = await this.#opened(vmId)
    if (opened?.epoch !== epoch) throw placementOver({ vmId, epoch, now: opened?.epoch ?? 0 })
    await this.#shutOut(vmId, opened)
    await this.#cluster.lay({ namespace: vmId, image, bytes: o.bytes })
    await this.#remember(vmId, { epoch, clients: [] })
    const user = userOf(vmId, epoch)
    const caps = capsOf(this.#cluster.pool, vmId)
    const created = await this.#cluster.command({ prefix: 'auth get-or-create', entity: `client.${user}`, caps, format: 'json' }) // prettier-ignore
    const [{ key = '' } = {}] = JSON.parse(created) as { key?: string }[]
    const { monitors } = await this.#cluster.identity()
    return { monitors, pool: this.#cluster.pool, namespace: vmId, image, user, key }
  }

  /** The host has opened the disk: from now on the fence knows by which connection. */
  async confirm({ vmId, epoch }: { vmId: string; epoch: number }): Promise<void> {
    const opened = await this.#opened(vmId)
    if (opened?.epoch !== epoch) throw placementOver({ vmId, epoch, now: opened?.epoch ?? 0 })
    const clients = await this.#clientsOf(vmId, epoch)
    if (clients.length === 0) throw notOpen(vmId)
    await this.#remember(vmId, { epoch, clients: [...new Set([...opened.clients, ...clients])] })
    this.#logger.info({ vmId, epoch, clients }, 'a disk was opened')
  }

  async readState(vmId: string): Promise<Uint8Array | undefined> {
    return await this.#cluster.read({ namespace: ownNamespace, object: `${vmId}.vmgs` })
  }

  async writeState(vmId: string, bytes: Uint8Array): Promise<void> {
    await this.#cluster.write({ namespace: ownNamespace, object: `${vmId}.vmgs`, bytes })
  }

  async remove(vmId: string): Promise<void> {
    const opened = await this.#opened(vmId)
    if (opened !== undefined) {
      await this.#cluster.command({ prefix: 'auth rm', entity: `client.${userOf(vmId, opened.epoch)}` })
      await this.#shutOut(vmId, opened)
    }
    await this.#cluster.destroy({ namespace: vmId, image })
    await this.#cluster.remove({ namespace: ownNamespace, object: `${vmId}.vmgs` })
    await this.#cluster.remove({ namespace: ownNamespace, object: `${vmId}.json` })
  }

  async close(): Promise<void> {
    await this.#cluster.close()
  }

  /** Connections that were confirmed, those that have the disk open, and those of the key that only the monitors see. */
  async #shutOut(vmId: string, { epoch, clients }: Opened): Promise<void> {
    const all = new Set([...clients, ...(await this.#clientsOf(vmId, epoch))])
    // At once: the monitors make one change of them.
    await Promise.all([...all].map(async (client) => await this.#cluster.shutOut(client, shutOutSeconds)))
  }

  async #clientsOf(vmId: string, epoch: number): Promise<string[]> {
    const watching = await this.#cluster.watchers({ namespace: vmId, image })
    const answers = await this.#cluster.everyMonitor({ prefix: 'sessions', format: 'json' })
    const sessions = answers.flatMap((answer) => JSON.parse(answer) as MonitorSession[])
    const own = sessions.filter(({ entity_name: name }) => name === `client.${userOf(vmId, epoch)}`)
    return [...new Set([...watching, ...own.flatMap(({ addrs }) => addrs.addrvec.map(({ addr, nonce }) => `${addr}/${nonce}`))])] // prettier-ignore
  }

  async #opened(vmId: string): Promise<Opened | undefined> {
    const bytes = await this.#cluster.read({ namespace: ownNamespace, object: `${vmId}.json` })
    return bytes && (JSON.parse(Buffer.from(bytes).toString('utf8')) as Opened)
  }

  async #remember(vmId: string, opened: Opened): Promise<void> {
    const bytes = Buffer.from(JSON.stringify(opened))
    await this.#cluster.write({ namespace: ownNamespace, object: `${vmId}.json`, bytes })
  }
}

interface MonitorSession {
  entity_name: string
  addrs: { addrvec: { addr: string; nonce: number }[] }
}

/**
 * The namespace, and the pool's settings, which librbd reads. Not `profile rbd`: its holder may shut out any client of
 * the cluster. The server's own rights (docs/fleet.md) name these, so that it can give no others.
 */
const capsOf = (pool: string, vmId: string): string[] => [
  'mon',
  'profile simple-rados-client',
  'osd',
  `allow rwx pool=${pool} namespace=${vmId}, allow class rbd metadata_list pool=${pool} namespace="" object_prefix rbd_info`,
]

const userOf = (vmId: string, epoch: number): string => `strongroom.${vmId}.${epoch}`

const notOpen = (vmId: string): ServiceError =>
  new ServiceError({
    code: 'StorageUnavailable',
    message: 'The host reported that it opened a disk, which nobody has open.',
    target: vmId,
    expected: 'a client that watches the image',
    found: 'none',
    remedy: 'Start the virtual machine again.',
  })
