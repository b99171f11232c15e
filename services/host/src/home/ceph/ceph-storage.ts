import type { CephDisk } from '@strongroom/contract'
import { ServiceError, type Logger } from '@strongroom/platform'
import { placementOver, type DataDisk, type StorageBackend, type VmDisk } from '../storage/storage-backend.ts'
import type { CephCluster } from './ceph-cluster.ts'
import { dataImage, PooledDisks } from './pooled-disks.ts'

/** Of the server's own objects: hosts have no access to it. */
const ownNamespace = 'strongroom'
const osImage = 'os-disk'
/**
 * How long a shut-out connection stays so: longer than a ticket of a removed key lasts (auth_service_ticket_ttl, one
 * hour), and than a storage daemon keeps an idle connection (ms_connection_idle_timeout, 15 minutes).
 */
const shutOutSeconds = 86_400

/** What is known of those that may have a VM's disks open, in the cluster: another server continues from it. */
interface Opened {
  epoch: number
  /** Addresses of connections to the OS disk: ADDRESS:PORT/NONCE, unique to a process. */
  clients: string[]
  /** The same of data disks, by id: of each that a key was made for and that was not released since. */
  disks?: Record<string, string[]>
}

/** A disk of a VM at an epoch: what a key is for. */
interface Unit {
  vmId: string
  epoch: number
  /** Of a data disk. */
  disk?: string | undefined
}

/**
 * Disks and guest states in a Ceph pool: each disk is an RBD image in a namespace of its own, which its host opens
 * itself. A key belongs to one epoch and one disk. What is removed or shut out here is so for all storage daemons: Ceph
 * applies no operation of a blocklisted client after one that a client sent which knew of the list.
 */
export class CephStorage implements StorageBackend {
  readonly #cluster: CephCluster
  readonly #logger: Logger
  readonly #dataDisks: PooledDisks

  constructor(o: { cluster: CephCluster; stateDir: string; logger: Logger }) {
    this.#cluster = o.cluster
    this.#logger = o.logger
    this.#dataDisks = new PooledDisks(o)
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
      await this.#endAll(vmId, opened)
      this.#logger.info({ vmId, epoch }, 'the disks of an earlier placement are closed')
    }
    await this.#remember(vmId, { epoch, clients: [] })
  }

  async prepare(disk: DataDisk): Promise<void> {
    await this.#dataDisks.require(disk)
  }

  async release(vmId: string, disk: string): Promise<void> {
    const opened = await this.#opened(vmId)
    const { [disk]: clients, ...disks } = opened?.disks ?? {}
    if (opened === undefined || clients === undefined) return
    await this.#end({ vmId, epoch: opened.epoch, disk }, clients)
    await this.#remember(vmId, { ...opened, disks })
  }

  /** The content of a data disk that no VM has. Idempotent. */
  async removeDisk(disk: string): Promise<void> {
    await this.#dataDisks.remove(disk)
  }

  /** Access to a disk at the present epoch. What had it open before at this epoch has ended, and writes no more. */
  async access({ vmId, epoch, disk }: { vmId: string; epoch: number; disk: VmDisk }): Promise<CephDisk> {
    const opened = await this.#openedAt(vmId, epoch)
    const unit = { vmId, epoch, disk: disk.id }
    await this.#shutOut(unit, clientsOf(opened, disk.id))
    if (disk.id !== undefined) await this.#dataDisks.require({ disk: disk.id, sizeGiB: disk.sizeGiB })
    else await this.#cluster.lay({ ...imageOf(unit), bytes: disk.sizeGiB * 2 ** 30 })
    // Before there is a key: the fence removes those that are named here.
    await this.#remember(vmId, withClients(opened, disk.id, []))
    const user = userOf(unit)
    const image = imageOf(unit)
    const caps = capsOf(this.#cluster.pool, image.namespace)
    const created = await this.#cluster.command({
      prefix: 'auth get-or-create',
      entity: `client.${user}`,
      caps,
      format: 'json',
    })
    const [{ key = '' } = {}] = JSON.parse(created) as { key?: string }[]
    const { monitors } = await this.#cluster.identity()
    return { monitors, pool: this.#cluster.pool, ...image, user, key }
  }

  /** The host has opened the disk: from now on the fence knows by which connection. */
  async confirm({ vmId, epoch, disk }: { vmId: string; epoch: number; disk: VmDisk }): Promise<void> {
    const opened = await this.#openedAt(vmId, epoch)
    const clients = await this.#clientsOf({ vmId, epoch, disk: disk.id })
    if (clients.length === 0) throw notOpen(vmId)
    const all = [...new Set([...clientsOf(opened, disk.id), ...clients])]
    await this.#remember(vmId, withClients(opened, disk.id, all))
    this.#logger.info({ vmId, epoch, ...(disk.id !== undefined && { disk: disk.id }), clients }, 'a disk was opened')
  }

  async readState(vmId: string): Promise<Uint8Array | undefined> {
    return await this.#cluster.read({ namespace: ownNamespace, object: `${vmId}.vmgs` })
  }

  async writeState(vmId: string, bytes: Uint8Array): Promise<void> {
    await this.#cluster.write({ namespace: ownNamespace, object: `${vmId}.vmgs`, bytes })
  }

  async remove(vmId: string): Promise<void> {
    const opened = await this.#opened(vmId)
    if (opened !== undefined) await this.#endAll(vmId, opened)
    await this.#cluster.destroy(imageOf({ vmId }))
    await this.#cluster.remove({ namespace: ownNamespace, object: `${vmId}.vmgs` })
    await this.#cluster.remove({ namespace: ownNamespace, object: `${vmId}.json` })
  }

  async close(): Promise<void> {
    await this.#cluster.close()
  }

  /** Every disk that the VM had at that epoch. */
  async #endAll(vmId: string, { epoch, clients, disks = {} }: Opened): Promise<void> {
    const data = Object.entries(disks).map(async ([disk, each]) => await this.#end({ vmId, epoch, disk }, each))
    await Promise.all([this.#end({ vmId, epoch }, clients), ...data])
  }

  /** The key first: nobody connects with it who is not seen afterwards. */
  async #end(unit: Unit, clients: readonly string[]): Promise<void> {
    await this.#cluster.command({ prefix: 'auth rm', entity: `client.${userOf(unit)}` })
    await this.#shutOut(unit, clients)
  }

  /** Connections that were confirmed, those that have the disk open, and those of the key that only the monitors see. */
  async #shutOut(unit: Unit, clients: readonly string[]): Promise<void> {
    const all = new Set([...clients, ...(await this.#clientsOf(unit))])
    // At once: the monitors make one change of them.
    await Promise.all([...all].map(async (client) => await this.#cluster.shutOut(client, shutOutSeconds)))
  }

  async #clientsOf(unit: Unit): Promise<string[]> {
    const watching = await this.#cluster.watchers(imageOf(unit))
    const answers = await this.#cluster.everyMonitor({ prefix: 'sessions', format: 'json' })
    const sessions = answers.flatMap((answer) => JSON.parse(answer) as MonitorSession[])
    const own = sessions.filter(({ entity_name: name }) => name === `client.${userOf(unit)}`)
    return [
      ...new Set([
        ...watching,
        ...own.flatMap(({ addrs }) => addrs.addrvec.map(({ addr, nonce }) => `${addr}/${nonce}`)),
      ]),
    ]
  }

  async #openedAt(vmId: string, epoch: number): Promise<Opened> {
    const opened = await this.#opened(vmId)
    if (opened?.epoch !== epoch) throw placementOver({ vmId, epoch, now: opened?.epoch ?? 0 })
    return opened
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
 * the cluster. The server's own rights (docs/guides/fleet.md) name these, so that it can give no others.
 */
const capsOf = (pool: string, namespace: string): string[] => [
  'mon',
  'profile simple-rados-client',
  'osd',
  `allow rwx pool=${pool} namespace=${namespace}, allow class rbd metadata_list pool=${pool} namespace="" object_prefix rbd_info`,
]

const userOf = ({ vmId, epoch, disk }: Unit): string =>
  `strongroom.${vmId}.${epoch}${disk === undefined ? '' : `.${disk}`}`

const imageOf = ({ vmId, disk }: Pick<Unit, 'vmId' | 'disk'>): { namespace: string; image: string } =>
  disk === undefined ? { namespace: vmId, image: osImage } : { namespace: disk, image: dataImage }

const clientsOf = ({ clients, disks }: Opened, disk: string | undefined): string[] =>
  disk === undefined ? clients : (disks?.[disk] ?? [])

const withClients = (opened: Opened, disk: string | undefined, clients: string[]): Opened =>
  disk === undefined ? { ...opened, clients } : { ...opened, disks: { ...opened.disks, [disk]: clients } }

const notOpen = (vmId: string): ServiceError =>
  new ServiceError({
    code: 'StorageUnavailable',
    message: 'The host reported that it opened a disk, which nobody has open.',
    target: vmId,
    expected: 'a client that watches the image',
    found: 'none',
    remedy: 'Start the virtual machine again.',
  })
