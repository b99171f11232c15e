import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresQueryResult } from 'kysely'
import type { PoolClient } from 'pg'
import type { DatabaseServer } from './database-server.ts'
import { isUnavailable, storeUnavailable } from './unavailable.ts'

/** What the database driver needs of a connection. */
export interface PrimaryClient {
  /** @throws ServiceError StoreUnavailable */
  query<R>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<R>>
  release(destroy?: boolean): void
}

/** How long a request waits for a primary server. Milliseconds. */
const patienceMs = 10_000
/** Interval between checks for the primary server. Milliseconds. */
const lookMs = 2000
/** A primary silent for this many checks has its connections broken, even without another one. */
const silentLooks = 3

/**
 * Connections to whichever of several PostgreSQL servers is the primary: the one on the highest timeline, so that
 * neither a left-behind primary nor a standby is read. A single server (or a proxy in front of several) is not asked
 * for its role.
 */
export class PrimaryPool {
  readonly #servers: readonly DatabaseServer[]
  readonly #clients = new WeakMap<PoolClient, PrimaryClient>()
  #primary: DatabaseServer | undefined
  #looking: Promise<void> | undefined
  /** The highest ever seen. A server below it was left behind. */
  #timeline = 1
  #silent = 0
  readonly #timer: NodeJS.Timeout | undefined

  constructor(servers: readonly DatabaseServer[]) {
    this.#servers = servers
    if (servers.length === 1) this.#primary = servers[0]
    else this.#timer = setInterval(() => void this.#look(), lookMs).unref()
  }

  /** @throws ServiceError StoreUnavailable */
  async connect(): Promise<PrimaryClient> {
    const deadline = performance.now() + patienceMs
    for (;;) {
      let cause: unknown
      try {
        if (this.#primary === undefined) await this.#look()
        const client = await this.#primary?.connect()
        if (client !== undefined) return this.#wrapped(client)
      } catch (error) {
        if (!isUnavailable(error)) throw error
        cause = error
        if (this.#servers.length > 1) this.#primary = undefined
      }
      if (performance.now() > deadline) throw storeUnavailable(cause)
      await sleep(250)
    }
  }

  async end(): Promise<void> {
    clearInterval(this.#timer)
    await this.#looking
    await Promise.all(this.#servers.map((server) => server.end()))
  }

  /** Concurrent callers share one answer. */
  #look(): Promise<void> {
    return (this.#looking ??= this.#find().finally(() => (this.#looking = undefined)))
  }

  async #find(): Promise<void> {
    const timelines = await Promise.all(this.#servers.map(async (server) => (await server.timeline()) ?? 0))
    const highest = Math.max(...timelines)
    if (highest < this.#timeline) {
      if (++this.#silent < silentLooks) return
      this.#primary?.cut()
      this.#primary = undefined
      return
    }
    this.#silent = 0
    this.#timeline = highest
    this.#primary = this.#servers[timelines.indexOf(highest)]
    for (const server of this.#servers) if (server !== this.#primary) server.cut()
  }

  /** The same object for a client each time, so that the driver recognises a connection. */
  #wrapped(client: PoolClient): PrimaryClient {
    const known = this.#clients.get(client)
    if (known !== undefined) return known
    let isBroken = false
    const wrapped: PrimaryClient = {
      query: async <R>(sql: string, parameters: readonly unknown[]) => {
        try {
          const { command, rowCount, rows } = await client.query(sql, [...parameters])
          return { command: command as PostgresQueryResult<R>['command'], rowCount: rowCount ?? 0, rows: rows as R[] }
        } catch (error) {
          if (!isUnavailable(error)) throw error
          // A server that became a standby may keep its connections, but none of them can write.
          isBroken = true
          throw storeUnavailable(error)
        }
      },
      release: (destroy = false) => client.release(destroy || isBroken),
    }
    this.#clients.set(client, wrapped)
    return wrapped
  }
}
