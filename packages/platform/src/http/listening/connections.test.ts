import { once } from 'node:events'
import { request, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { connectForGuest } from '../../network/caller.ts'
import { boundConnections } from './connections.ts'
import { createHttpServer } from '../http-server.ts'

describe('connections of a server', () => {
  const closing: (() => void)[] = []
  afterEach(() => {
    for (const close of closing.splice(0)) close()
  })
  async function listen(
    most: number,
  ): Promise<{ server: Server; port: number; release: () => void; waiting: () => number }> {
    let waiting: (() => void)[] = []
    const server = createHttpServer((asked, response) => {
      asked.resume()
      if (asked.url === '/slow') waiting.push(() => response.end('done'))
      else asked.once('end', () => response.end('ok'))
    })
    server.on('connect', (_request, client) => client.write('HTTP/1.1 200 OK\r\n\r\n'))
    boundConnections(server, { most })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    closing.push(() => {
      server.close()
      server.closeAllConnections()
    })
    const release = (): void => {
      for (const answer of waiting) answer()
      waiting = []
    }
    return { server, port: (server.address() as AddressInfo).port, release, waiting: () => waiting.length }
  }
  const open = async (port: number, localAddress = '127.0.0.1', text = ''): Promise<Socket> => {
    const socket = connectForGuest({ port, host: '127.0.0.1', localAddress })
    socket.on('error', () => {})
    socket.resume()
    await once(socket, 'connect')
    if (text !== '') socket.write(text)
    closing.push(() => socket.destroy())
    return socket
  }
  const get = (port: number, path: string, localAddress = '127.0.0.1'): Promise<string> =>
    new Promise((resolve, reject) => {
      const sent = request({
        path,
        createConnection: () => connectForGuest({ port, host: '127.0.0.1', localAddress }),
      })
      sent.once('error', reject)
      sent.once('response', (answer) => {
        let text = ''
        answer.on('data', (chunk) => (text += String(chunk)))
        answer.once('end', () => resolve(text))
      })
      sent.end()
    })

  it('that say nothing keep nobody out, and the one that was silent longest goes first (attack W6)', async () => {
    const { port } = await listen(8)
    const first = await open(port)
    const gone = once(first, 'close')
    for (let n = 0; n < 30; n++) await open(port)
    await gone
    expect(await get(port, '/')).toBe('ok')
    expect(await get(port, '/', '127.64.0.9')).toBe('ok')
  })

  it('of one peer are closed for its own sake, and not another’s that are silent longer (attack W6)', async () => {
    const { port } = await listen(8)
    const quiet = await open(port, '127.64.0.9')
    for (let n = 0; n < 30; n++) await open(port)
    await get(port, '/')
    expect(quiet.destroyed).toBe(false)
  })

  it('of a local program are one peer’s, from whichever loopback address (attack W6)', async () => {
    const { port } = await listen(8)
    const quiet = await open(port, '127.64.0.9')
    for (let n = 0; n < 30; n++) {
      const socket = connect({ port, host: '127.0.0.1', localAddress: `127.77.${n}.1` })
      socket.on('error', () => {})
      closing.push(() => socket.destroy())
      await once(socket, 'connect')
    }
    await get(port, '/')
    expect(quiet.destroyed).toBe(false)
  })

  it.each([
    ['headers that never end', 'GET / HTTP/1.1\r\nhost: a\r\n'],
    ['a body that never ends', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99\r\n\r\n{'],
    ['kept connections', 'GET / HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['tunnels', 'CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n'],
  ])('with %s keep nobody out (attack W6)', async (_name, text) => {
    const { port } = await listen(8)
    for (let n = 0; n < 30; n++) await open(port, '127.0.0.1', text)
    for (let n = 0; n < 5; n++) expect(await get(port, '/')).toBe('ok')
    expect(await get(port, '/', '127.64.0.9')).toBe('ok')
  })

  it('are not given up while they wait for their answer (attack W6)', async () => {
    const { port, release, waiting } = await listen(8)
    const answers = Array.from({ length: 6 }, () => get(port, '/slow'))
    await expect.poll(waiting).toBe(6)
    // The peer has reached its limit: another connection of it is refused, one of another peer is not.
    await expect(get(port, '/')).rejects.toThrow(/socket hang up|ECONNRESET/)
    for (let n = 0; n < 30; n++) await open(port, '127.64.0.9')
    expect(await get(port, '/', '127.64.0.10')).toBe('ok')
    release()
    expect(await Promise.all(answers)).toEqual(Array(6).fill('done'))
    expect(await get(port, '/')).toBe('ok')
  })
})
