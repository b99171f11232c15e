import { Socket } from 'node:net'
import type { Client, Pool, PoolClient, PoolConfig } from 'pg'

type Postgres = Pick<typeof import('pg'), 'Client' | 'Pool'>

/** A server that takes this long to report whether it is the primary does not count as one. Milliseconds. */
const answerMs = 3000

/** One PostgreSQL server: its connection pool, and a separate connection that asks for its role. */
export class DatabaseServer {
  readonly #pg: Postgres
  readonly #config: PoolConfig
  readonly #pool: Pool
  /** The pool's sockets: pg cannot break a connection whose peer is silent. */
  readonly #sockets = new Set<Socket>()
  #observer: Client | undefined

  constructor(o: { pg: Postgres; url: string; config: PoolConfig }) {
    this.#pg = o.pg
    this.#config = { ...o.config, connectionString: o.url, keepAlive: true, stream: () => this.#socket() }
    this.#pool = new o.pg.Pool(this.#config)
    // The pool replaces a broken idle connection; without a listener Node would end the process.
    this.#pool.on('error', () => {})
    // A connection in use has no listener of the pool's, and its server may end it between two statements.
    this.#pool.on('connect', (client) => client.on('error', () => {}))
  }

  connect(): Promise<PoolClient> {
    return this.#pool.connect()
  }

  /**
   * The timeline that this server writes, or undefined if it is a standby or does not answer. A primary left behind by
   * a failover is on a lower timeline than its successor.
   */
  async timeline(): Promise<number | undefined> {
    try {
      const observer = (this.#observer ??= await this.#observe())
      const { rows } = await observer.query<{ timeline: string | null }>(
        'select case when pg_is_in_recovery() then null else substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) end as timeline',
      )
      const [row] = rows
      return typeof row?.timeline === 'string' ? Number.parseInt(row.timeline, 16) : undefined
    } catch {
      this.#forget()
      return undefined
    }
  }

  /** Breaks every connection of the pool: pending requests fail now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async end(): Promise<void> {
    this.#forget()
    await this.#pool.end()
  }

  async #observe(): Promise<Client> {
    const { max: _max, stream: _stream, ...config } = this.#config
    const observer = new this.#pg.Client({
      ...config,
      connectionTimeoutMillis: answerMs,
      query_timeout: answerMs,
      application_name: `${config.application_name ?? 'strongroom'} (which server is the primary)`,
    })
    observer.on('error', () => this.#forget(observer))
    await observer.connect()
    return observer
  }

  #forget(observer = this.#observer): void {
    if (observer === undefined) return
    if (this.#observer === observer) this.#observer = undefined
    observer.end().catch(() => {})
  }

  #socket(): Socket {
    const socket = new Socket()
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    return socket
  }
}
