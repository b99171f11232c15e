import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { PublicNamesState } from '@strongroom/contract/wires'
import type { InstallationAuthority } from '../authority/authority.ts'
import type { Clock } from '../clock/clock.ts'
import { ServiceError } from '../errors/errors.ts'
import { writeFileAtomically } from '../files/files.ts'
import { boundConnections } from '../http/listening/connections.ts'
import { createConnectProxy, routeToOwnNames, type Tunnel } from '../http/connect-proxy.ts'
import { createHttpServer } from '../http/http-server.ts'
import type { Installation } from '../installation/installation.ts'
import type { Logger } from '../log/logger.ts'
import { createPublicLeaves, issuePublicNamesAuthority, publicNamesDays } from './certificates.ts'
import { createGateway } from './gateway.ts'
import { ownHostOf, publicDomains, publicNames } from './names.ts'
import { PassedNames } from './passed-names.ts'
import { ownerOf } from '../network/peer-user.ts'

export interface PublicNamesOptions {
  installation: Installation
  stateDir: string
  authority: InstallationAuthority
  /** Clients check certificates by their own time, so this is the machine's. */
  clock: Clock
  logger: Logger
}

interface Opened {
  port: number
  until: Date
  server: Server
  close(): Promise<void>
}

const recordFile = 'public-names.json'
const trustedFile = 'public-names.pem'
const dayMs = 24 * 3600_000
const mostConnections = 256

/**
 * Answers Azure's own names in shells that requested it (`strongroom env --public-names`), through a CONNECT proxy on a
 * separate port and a separate authority. The authority's key is only in this process's memory: a restarted process
 * creates another, which expires when the first would have.
 */
export class PublicNames {
  readonly #o: PublicNamesOptions
  readonly #passedOn = new PassedNames()
  readonly #refused = new PassedNames()
  #opened: Opened | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(options: PublicNamesOptions) {
    this.#o = options
  }

  /** Reopens what was open when the server ended. A taken port is logged and prevents nothing else from starting. */
  async resume(): Promise<void> {
    const record = await this.#record()
    if (record === undefined) return
    if (record.until <= this.#o.clock.now() || this.#o.installation.mode === 'hardware') await this.close()
    else
      await this.#open(record).catch((error: unknown) =>
        this.#o.logger.error({ err: error }, 'the proxy for public names does not run'),
      )
  }

  /**
   * Opens the proxy, on its earlier port. One opened on another day is renewed for 30 days.
   * @throws ServiceError 409 PublicNamesRefused in hardware mode
   */
  async open(): Promise<PublicNamesState> {
    if (this.#o.installation.mode === 'hardware') {
      throw new ServiceError({
        code: 'PublicNamesRefused',
        message:
          "An installation on genuine silicon does not answer to Azure's names: requests to them are meant for Azure.",
        expected: 'an installation in simulated mode',
        found: 'hardware',
        remedy: 'Use `strongroom env` without --public-names.',
      })
    }
    return await this.#inTurn(async () => {
      const now = this.#o.clock.now()
      const fresh = new Date(now.getTime() + publicNamesDays * dayMs)
      if (this.#opened === undefined || fresh.getTime() - this.#opened.until.getTime() > dayMs) {
        const port = this.#opened?.port ?? (await this.#record())?.port ?? 0
        await this.#opened?.close()
        await this.#open({ port, until: fresh })
      }
      return this.state()
    })
  }

  isOpen(): boolean {
    return this.#opened !== undefined && this.#opened.until > this.#o.clock.now()
  }

  state(): PublicNamesState {
    const opened = this.#opened
    const open = this.isOpen()
    return {
      open,
      ...(opened !== undefined && {
        port: opened.port,
        until: opened.until.toISOString(),
        ...(open && { trusted: join(this.#o.stateDir, trustedFile) }),
      }),
      names: [...publicNames],
      passedOn: this.#passedOn.list(),
      refused: this.#refused.list(),
    }
  }

  /** Ends the proxy and removes what clients trusted. */
  async close(): Promise<PublicNamesState> {
    return await this.#inTurn(async () => {
      await this.#opened?.close()
      for (const name of [recordFile, trustedFile]) await rm(join(this.#o.stateDir, name), { force: true })
      return this.state()
    })
  }

  /** At the end of the server: the next one reopens what shells have settings for. */
  async stop(): Promise<void> {
    await this.#inTurn(async () => await this.#opened?.close())
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.then(work)
    this.#turn = mine.catch(() => undefined)
    return await mine
  }

  async #record(): Promise<{ port: number; until: Date } | undefined> {
    const text = await readFile(join(this.#o.stateDir, recordFile), 'utf8').catch(() => undefined)
    if (text === undefined) return undefined
    const { port, until } = JSON.parse(text) as { port: number; until: string }
    return { port, until: new Date(until) }
  }

  async #open(o: { port: number; until: Date }): Promise<void> {
    const { installation, authority, stateDir, clock, logger } = this.#o
    const issued = issuePublicNamesAuthority({ now: clock.now(), until: o.until })
    const gateway = createGateway({
      contextOf: createPublicLeaves(issued, () => clock.now()),
      tlsPort: installation.ports.tls,
      caPem: authority.caPem,
      logger,
    })
    const server = createHttpServer((_request, response) => {
      response.writeHead(405, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
      response.end('This proxy accepts only CONNECT: see `strongroom help env`.\n')
    })
    const proxy = createConnectProxy(this.#route(o.until, gateway.server))
    server.on('connect', (request, client, head: Buffer) => proxy.connect(request, client, head))
    boundConnections(server, { most: mostConnections })
    const port = await listen(server, o.port)
    this.#opened = {
      port,
      until: o.until,
      server,
      close: async () => {
        this.#opened = undefined
        proxy.close()
        gateway.close()
        server.closeAllConnections()
        await new Promise((done) => server.close(done))
      },
    }
    await writeFileAtomically(join(stateDir, trustedFile), issued.caPem + authority.caPem, 0o600)
    const record = { port, until: o.until.toISOString() }
    await writeFileAtomically(join(stateDir, recordFile), `${JSON.stringify(record)}\n`, 0o600)
    logger.warn({ port, until: record.until }, "answers to Azure's public names through its own proxy")
  }

  #route(until: Date, gateway: Server): (target: { host: string; port: number }, client: Duplex) => Promise<Tunnel> {
    const { ports } = this.#o.installation
    return async ({ host, port }, client) => {
      const refuse = (what: string, why: string): Tunnel => {
        this.#refused.add(what)
        return { refused: `403 ${why}` }
      }
      // Other users' programs, including guests, have no access: the kernel reports whose a connection is.
      const { user, isOwn } = await ownerOf(client as Socket)
      if (!isOwn) return refuse(`a program of user ${user ?? 'unknown'}`, 'Only for the user who runs Strongroom')
      if (until <= this.#o.clock.now()) return refuse(host, 'Public names have ended: strongroom env --public-names')
      if (ownHostOf(host) !== undefined) {
        return port === 443
          ? { takes: (taken) => void gateway.emit('connection', taken) }
          : refuse(`${host}:${port}`, 'Public names are answered at port 443')
      }
      if (publicDomains.some((domain) => host === domain || host.endsWith(`.${domain}`)))
        return refuse(host, 'Strongroom does not answer to this name of Azure')
      const own = this.#opened?.port
      const proxyPorts = (): number[] => [ports.local, ...(own === undefined ? [] : [own])]
      const tunnel = await routeToOwnNames({ tlsPort: ports.tls, proxyPorts })({ host, port }, client)
      if ('refused' in tunnel && tunnel.refused.startsWith('403')) this.#refused.add(`${host}:${port}`)
      if ('host' in tunnel && tunnel.host === host) this.#passedOn.add(host)
      return tunnel
    }
  }
}

/** @param port 0 for any @returns the port */
async function listen(server: Server, port: number): Promise<number> {
  server.listen({ port, host: '127.0.0.1', exclusive: true })
  await once(server, 'listening').catch((cause: unknown) => {
    throw new ServiceError({
      code: 'PortTaken',
      message: `The port ${port} of the proxy for public names is used by another program.`,
      expected: 'a free port',
      found: (cause as NodeJS.ErrnoException).code ?? 'a listener',
      remedy: 'Stop that program, or release the port: strongroom env --end-public-names, then --public-names again.',
      cause,
    })
  })
  return (server.address() as AddressInfo).port
}
