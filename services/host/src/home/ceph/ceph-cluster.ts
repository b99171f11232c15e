import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ServiceError, startProgram, type Logger, type OwnedProcess } from '@strongroom/platform'
import type { CephConfiguration } from './ceph-configuration.ts'

const program = join(import.meta.dirname, 'cluster.py')

interface Answer {
  id?: number
  answer?: unknown
  connected?: true
  errno?: number
  message?: string
}

interface Connection {
  process: OwnedProcess
  connected: Promise<void>
  waiting: Map<number, (answer: Answer) => void>
}

/** What the monitors and storage daemons of a cluster are asked, through one process with one connection, which is opened on demand. */
export class CephCluster {
  readonly pool: string
  readonly #configuration: CephConfiguration
  readonly #logger: Logger
  #connection: Connection | undefined
  #next = 1

  constructor(configuration: CephConfiguration, logger: Logger) {
    this.pool = configuration.pool
    this.#configuration = configuration
    this.#logger = logger
  }

  /** The cluster's id, and its monitors as `mon_host`. @throws ServiceError StorageUnavailable */
  async identity(): Promise<{ fsid: string; monitors: string }> {
    return await this.#ask('identity', {})
  }

  /** Of the monitors, as `ceph` on the command line. @throws ServiceError StorageUnavailable, also if it is refused */
  async command(command: Record<string, unknown>): Promise<string> {
    return await this.#ask('command', { command })
  }

  /** @returns each monitor's answer */
  async everyMonitor(command: Record<string, unknown>): Promise<string[]> {
    return await this.#ask('everyMonitor', { command })
  }

  /** Resolves once the client's operations are refused, as ADDRESS:PORT/NONCE. */
  async shutOut(client: string, seconds: number): Promise<void> {
    await this.#ask('shutOut', { client, seconds })
  }

  /** Addresses of the clients that have the image open for writing. */
  async watchers(image: { namespace: string; image: string }): Promise<string[]> {
    return await this.#ask('watchers', image)
  }

  /** Creates namespace and image; an image that is too small grows. */
  async lay(image: { namespace: string; image: string; bytes: number }): Promise<void> {
    await this.#ask('lay', image)
  }

  /** The same, with the content of a file. */
  async fill(image: { namespace: string; image: string; bytes: number; path: string }): Promise<void> {
    await this.#ask('fill', image)
  }

  /** @returns false if there is no such image */
  async grow(image: { namespace: string; image: string; bytes: number }): Promise<boolean> {
    return await this.#ask('grow', image)
  }

  /** Idempotent. */
  async destroy(image: { namespace: string; image: string }): Promise<void> {
    await this.#ask('destroy', image)
  }

  async read(o: { namespace: string; object: string }): Promise<Uint8Array | undefined> {
    const bytes = await this.#ask<string | null>('read', o)
    return bytes === null ? undefined : Buffer.from(bytes, 'base64')
  }

  /** Replaces the object as a whole. */
  async write(o: { namespace: string; object: string; bytes: Uint8Array }): Promise<void> {
    await this.#ask('write', { ...o, bytes: Buffer.from(o.bytes).toString('base64') })
  }

  /** Idempotent. */
  async remove(o: { namespace: string; object: string }): Promise<void> {
    await this.#ask('remove', o)
  }

  async close(): Promise<void> {
    const process = this.#connection?.process
    process?.child.stdin?.end()
    await process?.exited
  }

  async #ask<T>(ask: string, o: Record<string, unknown>): Promise<T> {
    const connection = (this.#connection ??= this.#open())
    await connection.connected
    const id = this.#next++
    const answer = await new Promise<Answer>((done) => {
      connection.waiting.set(id, done)
      connection.process.child.stdin?.write(`${JSON.stringify({ id, ask, ...o })}\n`)
    })
    if (answer.errno === undefined) return answer.answer as T
    throw unavailable(ask, answer)
  }

  #open(): Connection {
    const { conf, keyring, user, pool } = this.#configuration
    const process = startProgram({
      command: '/usr/bin/python3',
      args: ['-I', program, conf, keyring, `client.${user}`, pool],
      stdio: ['pipe', 'pipe', 'pipe'],
      newSession: true,
      dieWithParent: true,
    })
    const waiting: Connection['waiting'] = new Map()
    let said = ''
    process.child.stderr?.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2000)))
    process.child.stdin?.on('error', () => {})
    const connected = new Promise<void>((done, fail) => {
      const ended = (answer: Answer): void => {
        if (this.#connection === connection) this.#connection = undefined
        fail(unavailable('connect', answer))
        for (const settle of waiting.values()) settle(answer)
        waiting.clear()
      }
      createInterface({ input: process.child.stdout! }).on('line', (line) => {
        const answer = JSON.parse(line) as Answer
        if (answer.connected === true) return done()
        if (answer.id === undefined) return ended(answer)
        waiting.get(answer.id)?.(answer)
        waiting.delete(answer.id)
      })
      void process.exited.then(() =>
        ended({ errno: 5, message: said.trim().split('\n').at(-1) || 'the connection ended' }),
      )
    })
    connected.then(
      () => this.#logger.info({ pool }, 'connected to Ceph'),
      (error: unknown) => this.#logger.error({ err: error, pool }, 'there is no connection to Ceph'),
    )
    const connection = { process, connected, waiting }
    return connection
  }
}

const unavailable = (ask: string, { message = '' }: Answer): ServiceError =>
  new ServiceError({
    code: 'StorageUnavailable',
    message: 'The Ceph cluster of joined hosts’ disks does not answer, or refuses.',
    target: ask,
    expected: 'an answer of the cluster',
    found: message.slice(0, 500),
    remedy: message.includes('No module named')
      ? 'Install Debian’s python3-rados and python3-rbd on the server.'
      : 'Check the cluster with `ceph status`, and the rights of the server’s user with `ceph auth get` (docs/guides/fleet.md).',
  })
