import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openAuthority, type InstallationAuthority } from '../authority/authority.ts'
import { systemClock } from '../clock/clock.ts'
import { ServiceError } from '../errors/errors.ts'
import { openInstallation, type Installation } from '../installation/installation.ts'
import { createLogger } from '../log/logger.ts'
import { createSealer } from '../sealing/sealer.ts'
import { createHttpApp } from './app.ts'
import { freePort } from './free-port.ts'
import { serve } from './serve.ts'
import { createWireClient, type WireClient } from './wire-client.ts'

const logger = createLogger({ level: 'silent' })
let stateDir: string
let installation: Installation
let authority: InstallationAuthority
let server: { close(): Promise<void> }
let wire: WireClient

function app(name: string): ReturnType<typeof createHttpApp> {
  const made = createHttpApp({ name, logger })
  made.get('/name', async () => ({ name }))
  made.get('/moved', async (_request, reply) => reply.redirect('https://evil.example/'))
  made.get('/text', async () => 'plain')
  made.get('/refuse', async () => {
    throw new ServiceError({ code: 'OperationCanceled', message: 'no', expected: 'a', found: 'b', remedy: 'c' })
  })
  made.get('/slow', () => new Promise(() => {}))
  made.post('/echo', async (request) => ({
    type: request.headers['content-type'],
    auth: request.headers.authorization,
    body: request.body ?? null,
  }))
  return made
}

async function start(): Promise<{ close(): Promise<void> }> {
  return serve({
    installation,
    authority,
    logger,
    hosts: [
      { matches: (host) => host === 'one.strongroom.internal', app: app('one') },
      { matches: (host) => host.endsWith('.vault.strongroom.internal'), app: app('vault') },
    ],
    portal: app('portal'),
  })
}

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'strongroom-serve-'))
  const ports = { tls: await freePort(), local: await freePort() }
  installation = (await openInstallation({ stateDir, ports })).installation
  authority = await openAuthority({
    stateDir,
    sealer: createSealer(Uint8Array.from(randomBytes(32))),
    clock: systemClock,
    installation,
  })
  server = await start()
  wire = createWireClient({ port: ports.tls, caPem: authority.caPem })
})
afterAll(async () => {
  wire.close()
  await server.close()
  rmSync(stateDir, { recursive: true })
})

const get = (url: string): Promise<unknown> => wire.request({ method: 'GET', url }).then((answer) => answer.body)
const local = (path: string, init?: RequestInit): Promise<Response> =>
  fetch(`http://127.0.0.1:${installation.ports.local}${path}`, init)

/** Sends raw bytes to the plain listener and returns the whole reply. */
async function raw(text: string): Promise<string> {
  const socket = connect(installation.ports.local, '127.0.0.1')
  let answer = ''
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')))
  socket.write(text)
  await once(socket, 'close')
  return answer
}

describe('serve', () => {
  it('routes by host name', async () => {
    expect(await get('https://one.strongroom.internal/name')).toEqual({ name: 'one' })
    expect(await get('https://my-vault.vault.strongroom.internal/name')).toEqual({ name: 'vault' })
  })

  it('refuses names that no service answers on', async () => {
    await expect(get('https://two.strongroom.internal/name')).rejects.toMatchObject({
      status: 421,
      code: 'UnknownHost',
    })
  })

  it('shows the portal on the loopback address, with a certificate for it, also without a server name', async () => {
    const socket = tlsConnect({ host: '127.0.0.1', port: installation.ports.tls, ca: authority.caPem })
    await once(socket, 'secureConnect')
    expect(socket.authorized).toBe(true)
    socket.end('GET /name HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
    let answer = ''
    for await (const chunk of socket) answer += String(chunk)
    expect(answer).toContain('{"name":"portal"}')
  })

  it('tells health, readiness and figures on the plain listener only to loopback names', async () => {
    expect(await (await local('/health')).json()).toEqual({ status: 'ok' })
    expect((await local('/ready')).status).toBe(200)
    await get('https://one.strongroom.internal/name')
    expect(await (await local('/metrics')).text()).toMatch(
      /strongroom_http_requests_total\{method="GET",status="200"\} [1-9]/,
    )
    expect((await local('/')).status).toBe(404)
    expect((await local('/health', { method: 'POST' })).status).toBe(405)
    expect(await raw('GET /metrics HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n')).toContain('421')
  })

  it('says which port is taken and what to do', async () => {
    await expect(start()).rejects.toMatchObject({
      code: 'PortTaken',
      target: 'ports.tls',
      remedy: expect.stringContaining('--port') as string,
    })
    const taken = { ...installation, ports: { tls: await freePort(), local: installation.ports.local } }
    await expect(serve({ installation: taken, authority, hosts: [], logger })).rejects.toMatchObject({
      code: 'PortTaken',
      target: 'ports.local',
    })
  })

  it('closes although a client holds connections and waits for an answer', async () => {
    const ports = { tls: await freePort(), local: await freePort() }
    const other = await serve({
      installation: { ...installation, ports },
      authority,
      logger,
      hosts: [{ matches: () => true, app: app('x') }],
    })
    const client = createWireClient({ port: ports.tls, caPem: authority.caPem })
    await client.request({ method: 'GET', url: 'https://x.strongroom.internal/name' })
    const waiting = client
      .request({ method: 'GET', url: 'https://x.strongroom.internal/slow' })
      .catch((error: unknown) => error)
    const idle = connect(ports.local, '127.0.0.1')
    await once(idle, 'connect')
    const tunnel = connect(ports.local, '127.0.0.1')
    tunnel.write('CONNECT x.strongroom.internal:443 HTTP/1.1\r\n\r\n')
    await once(tunnel, 'data')
    idle.on('error', () => {})
    tunnel.on('error', () => {})
    await other.close()
    expect(await waiting).toMatchObject({ code: 'PeerUnreachable' })
    client.close()
    idle.destroy()
    tunnel.destroy()
  })
})

describe('a server that another one follows', () => {
  /** By way of the proxy, as `az` connects: the answer's head and body. */
  const asked = async (port: number, path: string, o: { until?: string } = {}): Promise<string> => {
    const tunnel = connect(port, '127.0.0.1')
    tunnel.on('error', () => {})
    tunnel.write('CONNECT x.strongroom.internal:443 HTTP/1.1\r\n\r\n')
    await once(tunnel, 'data')
    const secure = tlsConnect({ socket: tunnel, servername: 'x.strongroom.internal', ca: authority.caPem })
    secure.write(`GET ${path} HTTP/1.1\r\nHost: x.strongroom.internal\r\n\r\n`)
    let answer = ''
    for await (const chunk of secure) {
      answer += String(chunk)
      if (o.until !== undefined && answer.includes(o.until)) break
    }
    return answer
  }

  it('answers the requests that it has, each as the last of its connection, and those that these make', async () => {
    const ports = { tls: await freePort(), local: await freePort() }
    const waiting: (() => void)[] = []
    const made = createHttpApp({ name: 'x', logger })
    let ownPort = 0
    const inner = createWireClient({ port: () => ownPort, caPem: authority.caPem })
    made.get('/name', async () => ({ name: 'x' }))
    made.get('/later', async () => {
      await new Promise<void>((done) => waiting.push(done))
      return (await inner.request({ method: 'GET', url: 'https://x.strongroom.internal/name' })).body
    })
    const other = await serve({
      installation: { ...installation, ports },
      authority,
      logger,
      hosts: [{ matches: () => true, app: made }],
    })
    ;({ ownPort } = other)
    const idle = connect(ports.tls, '127.0.0.1')
    await once(idle, 'connect')
    const later = asked(ports.local, '/later')
    await expect.poll(() => waiting.length).toBe(1)
    const drained = other.drain()
    // The ports are free for the next server, or wait for it if it takes the sockets over.
    for (const port of [ports.tls, ports.local]) {
      const late = connect(port, '127.0.0.1')
      expect((await once(late, 'error').catch((error: unknown) => [error]))[0]).toMatchObject({ code: 'ECONNREFUSED' })
    }
    // Connections without a request are closed by now.
    await once(idle, 'close')
    waiting[0]?.()
    expect(await later).toMatch(/connection: close[^]*\{"name":"x"\}/i)
    await drained
    inner.close()
    await other.close()
  })

  it('answers requests from outside once every service is up, and those of services before', async () => {
    const ports = { tls: await freePort(), local: await freePort() }
    let isReady = false
    const other = await serve({
      ready: () => isReady,
      installation: { ...installation, ports },
      authority,
      logger,
      hosts: [{ matches: () => true, app: app('x') }],
    })
    const inner = createWireClient({ port: other.ownPort, caPem: authority.caPem })
    const order: string[] = []
    const early = asked(ports.local, '/name', { until: '}' }).then((answer) => order.push(answer))
    expect(await (await fetch(`http://127.0.0.1:${ports.local}/ready`)).json()).toEqual({ status: 'starting' })
    await inner.request({ method: 'GET', url: 'https://x.strongroom.internal/name' })
    order.push('up')
    isReady = true
    other.open()
    await early
    expect(order).toEqual(['up', expect.stringContaining('{"name":"x"}')])
    inner.close()
    await other.close()
  })
})

describe('the CONNECT proxy', () => {
  it('leads our names to our own port, end to end encrypted', async () => {
    const socket = connect(installation.ports.local, '127.0.0.1')
    socket.write('CONNECT one.strongroom.internal:443 HTTP/1.1\r\nHost: one.strongroom.internal:443\r\n\r\n')
    const [head] = (await once(socket, 'data')) as [Buffer]
    expect(head.toString()).toContain('200')
    const secure = tlsConnect({ socket, servername: 'one.strongroom.internal', ca: authority.caPem })
    await once(secure, 'secureConnect')
    secure.end('GET /name HTTP/1.1\r\nHost: one.strongroom.internal\r\nConnection: close\r\n\r\n')
    let answer = ''
    for await (const chunk of secure) answer += String(chunk)
    expect(answer).toContain('{"name":"one"}')
  })

  it('passes other names through', async () => {
    const echo = createServer((socket) => socket.end('hello from elsewhere')).listen(0, '127.0.0.1')
    await once(echo, 'listening')
    const { port } = echo.address() as AddressInfo
    expect(await raw(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\n\r\n`)).toContain('hello from elsewhere')
    echo.close()
  })

  it.each([
    ['one.strongroom.internal:22', '403'],
    ['STRONGROOM.internal:80', '403'],
    ['nonsense', '400'],
    ['a b:443', '400'],
    ['one.strongroom.internal:99999', '400'],
    ['127.0.0.1:1', '502'],
  ])('answers CONNECT %s with %s', async (target, status) => {
    expect(await raw(`CONNECT ${target} HTTP/1.1\r\n\r\n`)).toContain(`HTTP/1.1 ${status}`)
  })
})

describe('createWireClient', () => {
  it('sends JSON with a bearer token, text and forms, each with its type', async () => {
    const post = (body: unknown, headers?: Record<string, string>): Promise<unknown> =>
      wire
        .request({
          method: 'POST',
          url: 'https://one.strongroom.internal/echo',
          body,
          token: 't',
          ...(headers && { headers }),
        })
        .then((answer) => answer.body)
    expect(await post({ a: 'ä' })).toEqual({ type: 'application/json', auth: 'Bearer t', body: { a: 'ä' } })
    expect(await post('x')).toMatchObject({ type: 'text/plain; charset=utf-8', body: 'x' })
    expect(await post('x', { 'Content-Type': 'text/plain' })).toMatchObject({ type: 'text/plain' })
    expect(await post(undefined)).toMatchObject({ body: null })
  })

  it('returns text and bytes on demand', async () => {
    const url = 'https://one.strongroom.internal/text'
    expect((await wire.request({ method: 'GET', url, accept: 'text' })).body).toBe('plain')
    expect((await wire.request({ method: 'GET', url, accept: 'bytes' })).body).toEqual(
      Uint8Array.from(Buffer.from('plain')),
    )
    await expect(wire.request({ method: 'GET', url })).rejects.toMatchObject({ code: 'PeerAnswerInvalid' })
  })

  it('throws the refusal of its peer with everything that it said', async () => {
    await expect(get('https://one.strongroom.internal/refuse')).rejects.toMatchObject({
      code: 'OperationCanceled',
      status: 409,
      message: 'no',
      expected: 'a',
      found: 'b',
      remedy: 'c',
    })
  })

  it('follows no redirect and calls no other host', async () => {
    await expect(get('https://one.strongroom.internal/moved')).rejects.toMatchObject({ status: 502 })
    for (const url of [
      'https://example.com/',
      'http://one.strongroom.internal/',
      'https://strongroom.internal.example.com/',
      'https://one.strongroom.internal:22/',
      'https://a@one.strongroom.internal/',
    ]) {
      await expect(get(url), url).rejects.toMatchObject({ code: 'PeerNotAllowed' })
    }
  })

  it('trusts no server of another installation', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'strongroom-serve-'))
    const foreign = await openAuthority({
      stateDir: directory,
      sealer: createSealer(new Uint8Array(32)),
      clock: systemClock,
      installation,
    })
    const client = createWireClient({ port: installation.ports.tls, caPem: foreign.caPem })
    await expect(client.request({ method: 'GET', url: 'https://one.strongroom.internal/name' })).rejects.toMatchObject({
      code: 'PeerUnreachable',
    })
    client.close()
    rmSync(directory, { recursive: true })
  })

  it('gives up at the time limit', async () => {
    const request = wire.request({ method: 'GET', url: 'https://one.strongroom.internal/slow', timeoutMs: 50 })
    await expect(request).rejects.toMatchObject({ code: 'PeerTimeout', status: 504 })
  })
})

describe('listeners under silent connections', () => {
  it.each(['tls', 'local'] as const)('answer others on %s, and close who never speaks (attack W6)', async (which) => {
    const port = installation.ports[which]
    const silent: Socket[] = []
    const open = async (): Promise<void> => {
      const socket = connect({ port, host: '127.0.0.1' })
      socket.on('error', () => {}).resume()
      silent.push(socket)
      await once(socket, 'connect')
    }
    try {
      // No more at once than the system queues for a busy listener.
      for (let n = 0; n < 23; n++) await Promise.all(Array.from({ length: 100 }, open))
      for (let n = 0; n < 3; n++) {
        if (which === 'tls') expect(await get('https://one.strongroom.internal/name')).toEqual({ name: 'one' })
        else expect((await local('/health')).status).toBe(200)
      }
      await expect.poll(() => silent.filter(({ closed }) => !closed).length).toBe(0)
    } finally {
      for (const socket of silent) socket.destroy()
    }
  })
})
