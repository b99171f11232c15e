import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { Agent, createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import { issueSelfSigned } from '../authority/issue.ts'
import { exchange, HttpFailure, type HttpExchange } from './client.ts'

const open: { close: () => unknown }[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function listening(server: Server | TcpServer, path?: string): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  if (path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(path)
  await once(server, 'listening')
  open.push({
    close: () => {
      for (const socket of sockets) socket.destroy()
      return new Promise((resolve) => server.close(resolve))
    },
  })
  return path === undefined ? (server.address() as AddressInfo).port : 0
}

const echo = (): Server =>
  createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      response.setHeader('x-twice', ['a', 'b'])
      response.end(
        JSON.stringify({
          method: request.method,
          url: request.url,
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
        }),
      )
    })
  })

const ask = async (o: Partial<HttpExchange> & { url: URL }) =>
  await exchange({ patience: { inAll: 30_000 }, answerLimit: 10_000, ...o })
const failed = (o: Partial<HttpExchange> & { url: URL }): Promise<HttpFailure> =>
  ask(o).then(
    () => Promise.reject(new Error('it answered')),
    (error: HttpFailure) => error,
  )

describe('an exchange', () => {
  it('sends method, path, headers and body, and gives status, headers and body', async () => {
    const port = await listening(echo())
    const url = new URL(`http://127.0.0.1:${port}/a?b=1`)
    const answer = await ask({ url, method: 'PUT', headers: { 'x-own': '1' }, body: Buffer.from('text') })
    expect(answer).toMatchObject({ status: 200, headers: { 'x-twice': 'a, b' } })
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      method: 'PUT',
      url: '/a?b=1',
      headers: { host: `127.0.0.1:${port}`, 'x-own': '1', 'content-length': '4' },
      body: 'text',
    })
    expect(JSON.parse((await ask({ url, method: 'POST' })).body.toString())).toMatchObject({
      headers: { 'content-length': '0' },
    })
    expect(JSON.parse((await ask({ url })).body.toString()).headers).not.toHaveProperty('content-length')
  })

  it('goes through a unix socket', async () => {
    const path = join(tmpdir(), `exchange-${process.pid}.sock`)
    await rm(path, { force: true })
    await listening(echo(), path)
    const { body } = await ask({ url: new URL('http://owner/token'), via: path })
    expect(JSON.parse(body.toString())).toMatchObject({ url: '/token', headers: { host: 'owner' } })
  })

  it('trusts whom it is told to and nobody else, by the name of the URL wherever that is reached', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const [notBefore, notAfter] = [new Date(Date.now() - 60_000), new Date(Date.now() + 3600_000)]
    const cert = issueSelfSigned({
      subject: 'CN=service.example',
      privateKey,
      usages: ['serverAuth'],
      notBefore,
      notAfter,
    })
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' })
    const port = await listening(createTlsServer({ key, cert }, (_request, response) => response.end('secret')))
    const via = { host: '127.0.0.1', port, servername: 'service.example' }
    const agent = new Agent({ ca: cert })
    open.push({ close: () => agent.destroy() })
    const url = new URL('https://service.example/')
    expect((await ask({ url, via, agent })).body.toString()).toBe('secret')
    expect(await failed({ url, via })).toMatchObject({ reason: 'unreachable', code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    const other = { ...via, servername: 'other.example' }
    expect(await failed({ url, via: other, agent })).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })

  it('follows no redirect', async () => {
    let asked = 0
    const server = createServer((_request, response) => {
      asked += 1
      response.writeHead(302, { location: '/other' }).end()
    })
    const port = await listening(server)
    expect(await ask({ url: new URL(`http://127.0.0.1:${port}/`) })).toMatchObject({
      status: 302,
      headers: { location: '/other' },
    })
    expect(asked).toBe(1)
  })

  it('ends when it has waited long enough: for an answer, for its end, or in silence', async () => {
    const silent = await listening(createTcpServer(() => {}))
    const url = new URL(`http://127.0.0.1:${silent}/`)
    expect(await failed({ url, patience: { inAll: 50 } })).toMatchObject({ reason: 'timeout' })
    expect(await failed({ url, patience: { silent: 50 } })).toMatchObject({ reason: 'timeout' })
    const half = await listening(createServer((_request, response) => void response.write('half')))
    const started = new URL(`http://127.0.0.1:${half}/`)
    expect(await failed({ url: started, patience: { inAll: 200 } })).toMatchObject({ reason: 'timeout' })
    expect(await failed({ url: started, patience: { silent: 200 } })).toMatchObject({ reason: 'timeout' })
  })

  it('takes no more than it said', async () => {
    const endless = createServer((_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(1000)));
      }
      response.on('drain', more)
      more()
    })
    const port = await listening(endless)
    expect(await failed({ url: new URL(`http://127.0.0.1:${port}/`) })).toMatchObject({ reason: 'too long' })
    const exact = await listening(createServer((_request, response) => response.end(Buffer.alloc(10_000))))
    expect((await ask({ url: new URL(`http://127.0.0.1:${exact}/`) })).body).toHaveLength(10_000)
  })

  it('says what was wrong where nobody answers, or not to the end', async () => {
    const port = await listening(
      createTcpServer((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort')),
    )
    expect(await failed({ url: new URL(`http://127.0.0.1:${port}/`) })).toMatchObject({ reason: 'unreachable' })
    expect(await failed({ url: new URL('http://owner/'), via: join(tmpdir(), 'nobody-listens.sock') })).toMatchObject({
      reason: 'unreachable',
      code: 'ENOENT',
    })
  })

  it('asks again where a kept connection was closed as it was used', async () => {
    const { Agent: PlainAgent } = process.getBuiltinModule('node:http')
    let requests = 0
    // Answers the first request of a connection, and resets it at the second.
    const server = createTcpServer((socket: Socket) => {
      let seen = 0
      socket.on('error', () => {})
      socket.on('data', () => {
        requests += 1
        if (++seen > 1) socket.resetAndDestroy()
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      })
    })
    const url = new URL(`http://127.0.0.1:${await listening(server)}/`)
    const agent = new PlainAgent({ keepAlive: true }) as Agent
    open.push({ close: () => agent.destroy() })
    for (let n = 0; n < 3; n++) {
      expect((await ask({ url, agent })).body.toString()).toBe('ok')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    expect(requests).toBe(5)
  })

  it('asks again as often as it gets a kept connection that was closed, and then says what is so', async () => {
    const { Agent: PlainAgent } = process.getBuiltinModule('node:http')
    const waiting: (() => void)[] = []
    // Answers the first requests of three connections together, and resets each at its second.
    const server = createTcpServer((socket: Socket) => {
      let seen = 0
      socket.on('error', () => {})
      socket.on('data', () => {
        if (++seen > 1) return void socket.resetAndDestroy()
        waiting.push(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'))
        if (waiting.length === 3) for (const answer of waiting) answer()
      })
    })
    const url = new URL(`http://127.0.0.1:${await listening(server)}/`)
    const agent = new PlainAgent({ keepAlive: true }) as Agent
    open.push({ close: () => agent.destroy() })
    await Promise.all([ask({ url, agent }), ask({ url, agent }), ask({ url, agent })])
    await new Promise((resolve) => setTimeout(resolve, 20))
    // Nobody accepts new ones.
    server.close()
    const failure = await ask({ url, agent }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(HttpFailure)
    expect(failure).toMatchObject({ reason: 'unreachable', code: 'ECONNREFUSED' })
  })
})
