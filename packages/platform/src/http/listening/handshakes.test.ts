import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openAuthority } from '../../authority/authority.ts'
import { systemClock } from '../../clock/clock.ts'
import { openInstallation } from '../../installation/installation.ts'
import { createSealer } from '../../sealing/sealer.ts'
import { connectForGuest } from '../../network/caller.ts'
import { beginHandshakesInTurn } from './handshakes.ts'

describe('handshakes', () => {
  let identity: { key: string; cert: string }
  const closing: (() => void)[] = []
  beforeAll(async () => {
    const stateDir = await mkdtemp(join(tmpdir(), 'strongroom-handshakes-'))
    try {
      const { installation } = await openInstallation({ stateDir })
      const sealer = createSealer(new Uint8Array(32).fill(5))
      const authority = await openAuthority({ stateDir, sealer, clock: systemClock, installation })
      identity = (await authority.serverCredentials('127.0.0.1'))!
    } finally {
      await rm(stateDir, { recursive: true })
    }
  })
  afterEach(() => {
    for (const close of closing.splice(0)) close()
  })
  async function listen(silentMs: number): Promise<{ server: Server; port: number; begun: () => number }> {
    const server = createServer({ ...identity, handshakeTimeout: 2_000 }, (_request, response) => response.end('ok'))
    server.on('tlsClientError', (_error, socket) => socket.destroy())
    const [tls] = server.listeners('connection') as ((this: Server, socket: Socket) => void)[]
    let begun = 0
    server.off('connection', tls!)
    server.on('connection', (socket: Socket) => {
      begun++
      tls!.call(server, socket)
    })
    beginHandshakesInTurn(server, { silentMs })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closing.push(() => {
      server.close()
      server.closeAllConnections()
    })
    return { server, port: (server.address() as AddressInfo).port, begun: () => begun }
  }
  const open = async (port: number, localAddress = '127.0.0.1'): Promise<Socket> => {
    const socket = connectForGuest({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => {}).resume()
    await once(socket, 'connect')
    closing.push(() => socket.destroy())
    return socket
  }
  const get = (port: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const sent = request({ port, host: '127.0.0.1', rejectUnauthorized: false, agent: false }, (answer) => {
        let text = ''
        answer.on('data', (chunk) => (text += String(chunk))).once('end', () => resolve(text))
      })
      sent.once('error', reject)
      sent.end()
    })
  /** The first bytes that a TLS client sends. */
  const clientHello = async (): Promise<Buffer> => {
    const listener = createTcpServer().listen(0, '127.0.0.1')
    await once(listener, 'listening')
    const client = tlsConnect({ port: (listener.address() as AddressInfo).port, host: '127.0.0.1' })
    client.on('error', () => {})
    const [socket] = (await once(listener, 'connection')) as [Socket]
    const [hello] = (await once(socket, 'data')) as [Buffer]
    client.destroy()
    socket.destroy()
    listener.close()
    return hello
  }

  it('are begun with nobody who says nothing, and who stays silent is closed (attack W6)', async () => {
    const { port, begun } = await listen(300)
    const silent = await Promise.all(Array.from({ length: 50 }, () => open(port)))
    expect(await get(port)).toBe('ok')
    expect(begun()).toBe(1)
    await expect.poll(() => silent.filter(({ closed }) => !closed).length, { timeout: 10_000 }).toBe(0)
    expect(begun()).toBe(1)
  })

  it('are begun with nobody who leaves without a word', async () => {
    const { port, server, begun } = await listen(60_000)
    const left = await open(port)
    left.end()
    await once(left, 'close')
    expect(begun()).toBe(0)
    await expect.poll(() => new Promise((done) => server.getConnections((_error, count) => done(count)))).toBe(0)
  })

  it('have the whole of what the client has said, in however many pieces, and all a time limit (attack W6)', async () => {
    const { port, begun } = await listen(60_000)
    const hello = await clientHello()
    const whole = await open(port)
    for (const at of hello.keys()) {
      whole.write(hello.subarray(at, at + 1))
      if (at % 100 === 0) await new Promise((done) => setTimeout(done, 2))
    }
    const [answer] = (await once(whole, 'data')) as [Buffer]
    // A handshake record (RFC 8446, section 5.1).
    expect(answer[0]).toBe(22)
    const half = await open(port)
    half.write(hello.subarray(0, 40))
    await once(half, 'close')
    expect(begun()).toBe(2)
    expect(await get(port)).toBe('ok')
  })

  it('of one peer that waits for its turn for long are not given up for that (attack W6)', async () => {
    // Shorter than the queue: 180 that wait 8 ms each, while another peer calls.
    const { port } = await listen(300)
    const hello = await clientHello()
    const opened = Array.from({ length: 200 }, async () => {
      const socket = await open(port, '127.64.0.8')
      socket.write(hello)
      const answered = await Promise.race([once(socket, 'data').then(() => true), once(socket, 'close')])
      return answered === true
    })
    let isOver = false
    const others = (async () => {
      while (!isOver) {
        await get(port)
        await new Promise((done) => setTimeout(done, 50))
      }
    })()
    expect((await Promise.all(opened)).filter(Boolean).length).toBe(200)
    isOver = true
    await others
  })

  it('of a peer that opens many at once do not come before another peer’s (attack W6)', async () => {
    const { port } = await listen(60_000)
    const hello = await clientHello()
    const many = await Promise.all(Array.from({ length: 200 }, () => open(port)))
    const quiet = await open(port, '127.64.0.9')
    const order: Socket[] = []
    const answered = [...many, quiet].map(async (socket) => {
      await once(socket, 'data')
      order.push(socket)
    })
    for (const socket of [...many, quiet]) socket.write(hello)
    await Promise.all(answered)
    expect(order.indexOf(quiet)).toBeLessThan(100)
  })
})
