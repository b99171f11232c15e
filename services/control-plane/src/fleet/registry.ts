import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { localHostName } from '@strongroom/contract'
import { databaseTime, forUpdate, GroupCommit, RowCache, ServiceError, type Store } from '@strongroom/platform'
import type { Transaction } from 'kysely'
import type { Db } from '../store/resources.ts'
import type { Tables } from '../store/tables.ts'
import { toHost, toLeasedHost, type FleetHost, type HostRow, type LeasedHost, type NewHost } from './fleet-host.ts'

/** How long a join code may be used. */
const codeMs = 3600_000
/** How long a host counts as present after a beat, by default. */
const usualLeaseSeconds = 10

interface Renewal {
  host: string
  /** Whether its lease was valid when written. */
  isThere: boolean
}

/** Maximum leases renewed in one transaction. */
const renewedAtOnce = 256
/** Hosts cached by key, until a row of any changes. */
const keptHosts = 4_096

/** The registered hosts and their leases. All times are the database's. */
export class HostRegistry {
  readonly #store: Store
  readonly leaseSeconds: number
  readonly #byKey: RowCache<FleetHost>
  readonly #renewals: GroupCommit<Renewal>
  readonly #beats = new Map<string, number>()

  constructor(store: Store, o: { leaseSeconds?: number } = {}) {
    this.#store = store
    this.leaseSeconds = o.leaseSeconds ?? usualLeaseSeconds
    this.#byKey = new RowCache({ store, tables: ['fleet_host'], limit: keptHosts })
    this.#renewals = new GroupCommit({ limit: renewedAtOnce, write: async (renewals) => await this.#renew(renewals) })
  }

  get #db(): Db {
    return this.#store.db as Db
  }

  async #transaction<T>(work: (tx: Db) => Promise<T>): Promise<T> {
    return await this.#store.transaction(async (tx) => await work(tx as Transaction<Tables>))
  }

  /**
   * @returns the join code's secret, of which only the hash is stored @throws ServiceError HostExists, HostNotManaged
   */
  async add(host: NewHost): Promise<{ host: LeasedHost; secret: string; until: string }> {
    if (host.name === localHostName) throw notManaged()
    const secret = randomBytes(32).toString('base64url')
    return await this.#transaction(async (tx) => {
      if ((await this.#row(tx, host.name)) !== undefined) throw exists(host.name)
      const now = await databaseTime(this.#store, tx)
      const until = new Date(now.getTime() + codeMs).toISOString()
      const row: HostRow = {
        name: host.name,
        id: randomUUID(),
        region: host.region,
        zone: host.zone ?? null,
        tees: JSON.stringify(host.tees),
        labels: JSON.stringify(host.labels),
        vcpus: host.vCPUs,
        memory_mib: host.memoryMiB,
        state: 'Invited',
        key: null,
        code_hash: hashOf(secret),
        code_until: until,
        created_at: now.toISOString(),
        joined_at: null,
        notice_seconds: 0,
      }
      await tx.insertInto('fleet_host').values(row).execute()
      await tx.insertInto('fleet_use').values({ host: row.id, vcpus: 0, memory_mib: 0, vms: 0, revision: 0 }).execute()
      return { host: toLeasedHost(row, { until: null, vcpus: 0, memoryMiB: 0, vms: 0 }, now), secret, until }
    })
  }

  /** By name. */
  async list(db: Db = this.#db): Promise<LeasedHost[]> {
    const now = await databaseTime(this.#store, db)
    return (await leased(db).orderBy('fleet_host.name').execute()).map((row) => fromLeased(row, now))
  }

  /** @throws ServiceError HostNotFound */
  async get(name: string): Promise<LeasedHost> {
    const now = await databaseTime(this.#store, this.#db)
    const found = await leased(this.#db).where('fleet_host.name', '=', name).executeTakeFirst()
    if (found === undefined) throw notFound(name)
    return fromLeased(found, now)
  }

  /** Undefined if it was removed. */
  async nameOf(id: string, db: Db = this.#db): Promise<string | undefined> {
    return (await db.selectFrom('fleet_host').select('name').where('id', '=', id).executeTakeFirst())?.name
  }

  /**
   * The first key presented with a code owns it: the same key may ask again, if it missed the answer.
   * @param o.key SHA-256 of the key, hexadecimal; the caller has proved possession
   * @throws ServiceError JoinCodeRefused
   */
  async redeem(o: { name: string; secret: string; key: string }): Promise<FleetHost> {
    return await this.#transaction(async (tx) => {
      const row = await this.#lock(tx, o.name)
      // A caller without the secret learns nothing, not even whether the host exists.
      if (row === undefined || !isHashOf(o.secret, row.code_hash)) throw codeRefused('not a code of this installation')
      const now = (await databaseTime(this.#store, tx)).toISOString()
      if (row.code_until < now) throw codeRefused(`a code that expired at ${row.code_until}`)
      if (row.key !== null && row.key !== o.key) throw codeRefused('a code already used with another key')
      if (row.key !== null) return toHost(row)
      const other = await tx.selectFrom('fleet_host').select('name').where('key', '=', o.key).executeTakeFirst()
      if (other !== undefined) throw codeRefused('the key of another host')
      const joined = { key: o.key, joined_at: now, state: 'Ready' as const }
      await tx.updateTable('fleet_host').set(joined).where('name', '=', o.name).execute()
      // Expired from the start: the first beat makes it count.
      await tx.insertInto('fleet_lease').values({ host: row.id, until: now }).execute()
      return toHost({ ...row, ...joined })
    })
  }

  /** The host that joined with this key. */
  async byKey(key: string): Promise<FleetHost | undefined> {
    return await this.#byKey.get(key, async () => {
      const row = await this.#db.selectFrom('fleet_host').selectAll().where('key', '=', key).executeTakeFirst()
      return row === undefined ? undefined : toHost(row)
    })
  }

  /**
   * Renews a host's lease, batched with others calling at the same moment. @throws ServiceError HostNotAuthenticated if
   * it was removed meanwhile
   */
  async renew(host: Pick<FleetHost, 'id'>): Promise<void> {
    const renewal: Renewal = { host: host.id, isThere: false }
    await this.#renewals.add(renewal)
    if (!renewal.isThere) throw notAuthenticated('a host that was removed')
    this.#beats.set(host.id, this.beatsOf(host) + 1)
  }

  /** Resolves when the renewals that have arrived are written: leases can be judged. */
  async renewed(): Promise<void> {
    await this.#renewals.settled()
  }

  /** Leases of the host that this process has renewed. */
  beatsOf({ id }: Pick<FleetHost, 'id'>): number {
    return this.#beats.get(id) ?? 0
  }

  async #renew(renewals: Renewal[]): Promise<void> {
    await this.#transaction(async (tx) => {
      const now = await databaseTime(this.#store, tx)
      const until = new Date(now.getTime() + this.leaseSeconds * 1000).toISOString()
      // In one order, so that two processes renewing the same leases do not wait for each other.
      for (const renewal of renewals.toSorted((a, b) => (a.host < b.host ? -1 : 1))) {
        const renewed = await tx
          .updateTable('fleet_lease')
          .set({ until })
          .where('host', '=', renewal.host)
          .executeTakeFirst()
        renewal.isThere = Number(renewed.numUpdatedRows) > 0
      }
    })
  }

  /**
   * A draining host accepts no further VMs. @param noticeSeconds how long its VMs are left on it @throws ServiceError
   * HostNotFound, HostNotManaged
   */
  async setDraining(name: string, draining: boolean, noticeSeconds = 0): Promise<void> {
    if (name === localHostName) throw notManaged()
    await this.#transaction(async (tx) => {
      const row = await this.#lock(tx, name)
      if (row === undefined) throw notFound(name)
      if (row.state === 'Invited') return
      const state = draining ? 'Draining' : 'Ready'
      await tx
        .updateTable('fleet_host')
        .set({ state, notice_seconds: draining ? noticeSeconds : 0 })
        .where('name', '=', name)
        .execute()
    })
  }

  /** Whether a host has ever joined. */
  async hasJoined(): Promise<boolean> {
    const joined = this.#db.selectFrom('fleet_host').select('name').where('state', '!=', 'Invited').limit(1)
    return (await joined.executeTakeFirst()) !== undefined
  }

  /** Its key and certificates are invalid from then on. @throws ServiceError HostNotFound, HostNotManaged, HostInUse */
  async remove(name: string): Promise<void> {
    if (name === localHostName) throw notManaged()
    await this.#transaction(async (tx) => {
      const row = await this.#lock(tx, name)
      if (row === undefined) throw notFound(name)
      const use = tx.selectFrom('fleet_use').selectAll().where('host', '=', row.id)
      if (((await forUpdate(this.#store, use).executeTakeFirst())?.vcpus ?? 0) > 0) throw inUse(name)
      await tx.deleteFrom('fleet_use').where('host', '=', row.id).execute()
      await tx.deleteFrom('fleet_lease').where('host', '=', row.id).execute()
      await tx.deleteFrom('fleet_host').where('name', '=', name).execute()
      this.#beats.delete(row.id)
    })
  }

  async #row(db: Db, name: string): Promise<HostRow | undefined> {
    return await db.selectFrom('fleet_host').selectAll().where('name', '=', name).executeTakeFirst()
  }

  async #lock(tx: Db, name: string): Promise<HostRow | undefined> {
    const query = tx.selectFrom('fleet_host').selectAll().where('name', '=', name)
    return await forUpdate(this.#store, query).executeTakeFirst()
  }
}

const leased = (db: Db) =>
  db
    .selectFrom('fleet_host')
    .leftJoin('fleet_lease', 'fleet_lease.host', 'fleet_host.id')
    .leftJoin('fleet_use', 'fleet_use.host', 'fleet_host.id')
    .selectAll('fleet_host')
    .select([
      'fleet_lease.until',
      'fleet_use.vcpus as used_vcpus',
      'fleet_use.memory_mib as used_memory_mib',
      'fleet_use.vms',
    ])

type LeasedRow = Awaited<ReturnType<ReturnType<typeof leased>['executeTakeFirstOrThrow']>>

const fromLeased = (
  { until, used_vcpus: vcpus, used_memory_mib: memoryMiB, vms, ...row }: LeasedRow,
  now: Date,
): LeasedHost => toLeasedHost(row, { until, vcpus, memoryMiB, vms }, now)

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex')
const isHashOf = (secret: string, hash: string): boolean =>
  timingSafeEqual(Buffer.from(hashOf(secret), 'hex'), Buffer.from(hash, 'hex'))

const notFound = (name: string): ServiceError =>
  new ServiceError({
    code: 'HostNotFound',
    message: `There is no host '${name.slice(0, 60)}'.`,
    target: 'name',
    found: name.slice(0, 60),
    remedy: 'List the hosts: strongroom host list.',
  })

const exists = (name: string): ServiceError =>
  new ServiceError({
    code: 'HostExists',
    message: `There is already a host '${name}'.`,
    target: 'name',
    remedy: `Use another name, or remove it first: strongroom host remove ${name}.`,
  })

const notManaged = (): ServiceError =>
  new ServiceError({
    code: 'HostNotManaged',
    message: `'${localHostName}' is the server itself: it cannot be added, drained or removed.`,
    target: 'name',
    remedy: 'Name a joined host.',
  })

const inUse = (name: string): ServiceError =>
  new ServiceError({
    code: 'HostInUse',
    message: `The host '${name}' carries VMs.`,
    target: 'name',
    expected: 'a host that carries none',
    remedy: `Drain it (strongroom host drain ${name}), and deallocate its VMs: strongroom host show ${name} names them.`,
  })

const codeRefused = (found: string): ServiceError =>
  new ServiceError({
    code: 'JoinCodeRefused',
    message: 'The join code cannot be used.',
    expected: 'a code from `strongroom host add`, used within an hour and with one key',
    found,
    remedy: 'Remove the host and add it again for another code.',
  })

export const notAuthenticated = (found: string): ServiceError =>
  new ServiceError({
    code: 'HostNotAuthenticated',
    message: 'Only a registered host may call this, with its certificate.',
    expected: 'the certificate of a joined host',
    found,
    remedy: 'Add the host again (`strongroom host add`) and join it.',
  })
