import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server } from 'node:net'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createConnectProxy, routeToOwnNames } from './connect-proxy.ts'
import { createHttpServer } from './http-server.ts'

let own: number
let elsewhere: number
const servers: Server[] = []

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  servers.push(server)
  return (server.address() as AddressInfo).port
}

beforeAll(async () => {
  elsewhere = await listening(createServer((socket) => socket.on('error', () => {}).end('hello')))
  const server = createHttpServer((_request, response) => response.end())
  own = await listening(server)
  const proxy = createConnectProxy(routeToOwnNames({ tlsPort: elsewhere, proxyPorts: () => [own] }))
  server.on('connect', (request, client, head: Buffer) => proxy.connect(request, client, head))
})
afterAll(() => {
  for (const server of servers) server.close()
})

async function answer(port: number, target: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`)
  const [head] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return head.toString('latin1').split('\r\n', 1)[0] ?? ''
}

/** An address in any of the forms that the C library reads, or mapped to IPv6. */
const forms: Record<string, (a: number, b: number, c: number, d: number) => string> = {
  decimal: (...parts) => parts.join('.'),
  octal: (...parts) => parts.map((part) => `0${part.toString(8)}`).join('.'),
  hexadecimal: (...parts) => parts.map((part) => `0x${part.toString(16)}`).join('.'),
  'one number': (a, b, c, d) => String(((a * 256 + b) * 256 + c) * 256 + d),
  'two numbers': (a, b, c, d) => `${a}.${(b * 256 + c) * 256 + d}`,
  'three numbers': (a, b, c, d) => `${a}.0x${b.toString(16)}.${c * 256 + d}`,
  mapped: (...parts) => `[::ffff:${parts.join('.')}]`,
  'mapped, in groups': (a, b, c, d) => `[0:0:0:0:0:FFFF:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}]`,
}

describe('the CONNECT proxy', () => {
  it.each(Object.keys(forms))('leads to itself by no address of this machine: %s (attack W71)', async (form) => {
    const loopback = fc.tuple(fc.constant(127), fc.nat(255), fc.nat(255), fc.nat(255))
    const unspecified = fc.tuple(fc.constant(0), fc.constant(0), fc.constant(0), fc.constant(0))
    await fc.assert(
      fc.asyncProperty(fc.oneof(loopback, unspecified), async ([a, b, c, d]) => {
        expect(await answer(own, `${forms[form]!(a, b, c, d)}:${own}`)).toBe('HTTP/1.1 403 Forbidden')
      }),
      { numRuns: 20 },
    )
  })

  it.each([
    'localhost',
    'LOCALHOST.',
    '[::1]',
    '[::]',
    '[0:0::1]',
    '0',
    '127.1',
    '0x7f.1',
    '2130706433',
    '[::ffff:0:0]',
  ])('leads to itself by no name of this machine: %s (attack W71)', async (host) =>
    expect(await answer(own, `${host}:${own}`)).toBe('HTTP/1.1 403 Forbidden'),
  )

  it('passes the user who runs it on to other ports, and no unknown name', async () => {
    for (const host of ['127.0.0.1', '127.1', 'localhost'])
      expect(await answer(own, `${host}:${elsewhere}`), host).toBe('HTTP/1.1 200 Connection established')
    expect(await answer(own, `nowhere.invalid:${elsewhere}`)).toBe('HTTP/1.1 502 Bad Gateway')
  })

  it('connects to the address that was checked, whatever the name leads to afterwards (attack W71)', async () => {
    const server = createHttpServer((_request, response) => response.end())
    const checked = [{ address: '127.0.0.1', family: 4 }]
    const proxy = createConnectProxy((place) => ({ ...place, addresses: checked }))
    server.on('connect', (request, client, head: Buffer) => proxy.connect(request, client, head))
    const port = await listening(server)
    expect(await answer(port, `nowhere.invalid:${elsewhere}`)).toBe('HTTP/1.1 200 Connection established')
  })

  it.runIf(process.getuid?.() === 0)(
    'leads another user’s programs to our names alone, which they reach anyway (attack W71)',
    async () => {
      const asOther = async (target: string): Promise<string> => {
        const script = `exec 3<>/dev/tcp/127.0.0.1/${own}; printf 'CONNECT ${target} HTTP/1.1\\r\\n\\r\\n' >&3; head -n 1 <&3`
        const as = ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'bash', '-c', script]
        return (await promisify(execFile)('setpriv', as)).stdout.trim()
      }
      expect(await asOther(`127.0.0.1:${elsewhere}`)).toBe('HTTP/1.1 403 Only for the user who runs Strongroom')
      expect(await asOther('x.strongroom.internal:443')).toBe('HTTP/1.1 200 Connection established')
    },
  )
})
