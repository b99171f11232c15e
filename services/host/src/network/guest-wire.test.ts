import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { giveTo } from '@strongroom/platform'
import { makeRuntime } from '../records/layout.ts'
import { connectionLimit } from './doors/door.ts'
import { guestAddress } from './doors/guest-address.ts'
import { startGuestDoors } from './doors/guest-doors.ts'
import { resolveTarget, type ProxyTarget } from './names/proxy-target.ts'
import type { Doors } from '../qemu/guest-network.ts'
import { helloOf } from './testing/test-hello.ts'
import { openGuestWire, type GuestWire } from './testing/test-wire.ts'

const vmId = 'F6EDBA93-B1EC-4F77-91E4-027F8E5E0333'
const tls = '169.254.169.253:443'
const proxy = '169.254.169.253:3128'
const web = '169.254.169.253:80'
const names = '169.254.169.253:53'

/** A guest's doors, tried with packets of its network. */
describe('a guest’s network', () => {
  let folder: string
  let service: Server
  /** Stands in for a public address. */
  let outside: Server
  let reported: boolean
  /** Connections that reached the installation’s port. */
  let reached: Socket[]
  let from: (string | undefined)[]
  let port: number
  let wire: GuestWire
  const endpoints: { close(): Promise<void> }[] = []

  beforeEach(async () => {
    const { runtimeDir, user } = await makeRuntime(vmId)
    folder = runtimeDir
    reported = false
    reached = []
    from = []
    service = createServer((socket) => {
      reached.push(socket)
      from.push(socket.remoteAddress)
      socket.on('error', () => socket.destroy())
      socket.on('data', (chunk) => socket.write(`service: ${String(chunk)}`))
    })
    service.listen(0, '127.0.0.1')
    await once(service, 'listening')
    port = (service.address() as { port: number }).port
    const doors = Object.fromEntries(
      ['metadata', 'time', 'proxy', 'services', 'web', 'names'].map((name) => [name, join(folder, name)]),
    ) as Record<keyof Doors, string>
    outside = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.on('data', (chunk) => socket.write(`outside: ${String(chunk)}`))
    })
    outside.listen(0, '127.0.0.1')
    await once(outside, 'listening')
    const place = { host: '127.0.0.1', port: (outside.address() as { port: number }).port, own: false }
    // One name with a public address, and one with an address near the host.
    const resolve = async (target: string, tlsPort: number): Promise<ProxyTarget | undefined> => {
      if (target.startsWith('deb.example.org:')) return place
      if (target.startsWith('inside.example.org:')) return await resolveTarget('10.0.0.7:443', tlsPort)
      if (target.startsWith('nowhere.example.org:')) throw new Error('there is no such name')
      return await resolveTarget(target, tlsPort)
    }
    const gate = { tlsPort: port, vmId, reported: () => reported, resolve }
    endpoints.push(...(await startGuestDoors({ doors, ...gate, now: () => new Date() })))
    for (const door of [doors.proxy, doors.services, doors.web, doors.names]) await giveTo(door, user)
    const targets = [tls, proxy, web, names, `169.254.0.2:${port}`, `127.0.0.1:${port}`]
    wire = await openGuestWire({ doors, targets, user })
  })

  afterEach(async () => {
    await wire.close()
    for (const endpoint of endpoints.splice(0)) await endpoint.close()
    for (const socket of reached) socket.destroy()
    service.close()
    outside.close()
    await rm(folder, { recursive: true })
  })

  /** Resolves at the end of a connection, even after an error: once() would reject if the last write meets a closed door. */
  const ended = async (socket: Socket): Promise<void> =>
    await new Promise((resolve) => socket.once('close', () => resolve()))

  /** The reply to a text, until the other end closes or has answered. */
  async function say(target: string, text: string | Buffer): Promise<string> {
    const socket = await wire.dial(target)
    socket.on('error', () => socket.destroy())
    socket.write(text)
    let heard = ''
    socket.on('data', (chunk) => {
      heard += String(chunk)
      socket.end()
    })
    await ended(socket)
    return heard
  }

  it('leads to no service of the installation before the boot was reported: not by the TLS port either (attacks D5, H8)', async () => {
    expect(await say(tls, 'hello')).toBe('')
    expect(await say(proxy, 'CONNECT platform.vault.strongroom.internal:443 HTTP/1.1\r\n\r\n')).toMatch(
      /^HTTP\/1.1 503/,
    )
    // A refused report leaves it so.
    expect(await say(tls, 'once more')).toBe('')
    expect(reached).toHaveLength(0)
    reported = true
    expect(await say(tls, 'hello')).toBe('service: hello')
    expect(reached).toHaveLength(1)
    expect(from).toEqual([guestAddress(vmId)])
  })

  /** Address that the guest's resolver returns for a name, or its code if not 0. */
  async function ask(name: string, type = 1): Promise<string> {
    const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
    const head = Buffer.from('abcd01000001000000000000', 'hex')
    const query = Buffer.concat([head, ...labels, Buffer.from([0, 0, type, 0, 1])])
    const socket = await wire.dial(names)
    socket.write(Buffer.concat([Buffer.from([0, query.length]), query]))
    const [reply] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    const [code, answers] = [reply[5]! & 15, reply.readUInt16BE(8)]
    expect(reply.readUInt16BE(2)).toBe(0xabcd)
    return code !== 0 ? `code ${code}` : answers === 0 ? 'none' : [...reply.subarray(-4)].join('.')
  }
  const relay = '169.254.169.253'

  it('leads names that the guest may reach to its relay, with no setting in the guest, and knows no others (attack W19)', async () => {
    expect(await ask('platform.vault.strongroom.internal')).toBe(relay)
    // Nothing outside is looked up before the report.
    expect(await ask('deb.example.org')).toBe('code 3')
    reported = true
    expect(await ask('Platform.Vault.strongroom.internal')).toBe(relay)
    expect(await ask('platform.vault.strongroom.internal', 28)).toBe('none')
    expect(await ask('deb.example.org')).toBe(relay)
    for (const name of ['inside.example.org', 'nowhere.example.org', 'localhost', 'printer'])
      expect(await ask(name), name).toBe('code 3')
  })

  it('relays http and https by the name that a program says, by the rules of the proxy (attacks H8, W19)', async () => {
    const get = (host: string): Promise<string> => say(web, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    expect(await get('deb.example.org')).toBe('')
    reported = true
    expect(await get('deb.example.org')).toMatch(/^outside: GET \/ HTTP\/1\.1/)
    for (const host of ['inside.example.org', '10.0.0.7', '127.0.0.1', 'platform.vault.strongroom.internal', '', 'a b'])
      expect(await get(host), host).toMatch(/^HTTP\/1\.1 403 /)
    const hello = async (name: string): Promise<string> => (await say(tls, await helloOf(name))).slice(0, 8)
    expect(await hello('deb.example.org')).toBe('outside:')
    expect(await hello('platform.vault.strongroom.internal')).toBe('service:')
    expect(from.at(-1)).toBe(guestAddress(vmId))
    const before = reached.length
    for (const name of ['inside.example.org', 'nowhere.example.org']) expect(await hello(name), name).toBe('')
    expect(reached).toHaveLength(before)
  })

  it('leads to the doors alone: the host’s own ports are out of reach under any address (attack H11)', async () => {
    reported = true
    expect(await say(tls, 'by the door')).toBe('service: by the door')
    for (const target of [`169.254.0.2:${port}`, `127.0.0.1:${port}`]) {
      const socket = await wire.dial(target)
      const outcome = new Promise<string>((resolve) => {
        setTimeout(() => resolve('silent'), 1_000)
        socket.on('data', () => resolve('answered'))
        socket.on('error', () => resolve('refused'))
        socket.on('close', () => resolve('refused'))
      })
      socket.write('by another way')
      expect(await outcome).not.toBe('answered')
      socket.destroy()
    }
    expect(reached).toHaveLength(1)
  })

  it('starts no program for a connection, and has no more of them than a door takes (attack H11)', async () => {
    reported = true
    const children = async (): Promise<string> => await readFile(`/proc/${wire.pid}/task/${wire.pid}/children`, 'utf8')
    const sockets: Socket[] = []
    const outcomes: string[] = []
    for (let n = 0; n < connectionLimit + 2; n++) {
      const socket = await wire.dial(tls)
      sockets.push(socket)
      socket.on('error', () => socket.destroy())
      const outcome = Promise.race([once(socket, 'data').then(String), ended(socket).then(() => 'closed')])
      socket.write('x')
      outcomes.push(await outcome)
    }
    expect(outcomes).toEqual([...Array<string>(connectionLimit).fill('service: x'), 'closed', 'closed'])
    expect(await children()).toBe('')
    for (const socket of sockets) socket.destroy()
  })
})
