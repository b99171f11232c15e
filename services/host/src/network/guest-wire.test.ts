import { once } from 'node:events'
import { readFile, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { giveTo } from '../confinement/vm-user.ts'
import { makeRuntime } from '../instances/layout.ts'
import { connectionLimit } from './door.ts'
import { guestAddress } from './guest-address.ts'
import { startGuestProxy } from './guest-proxy.ts'
import { startServicesDoor } from './services-door.ts'
import { openGuestWire, type GuestWire } from './test-wire.ts'

const vmId = 'F6EDBA93-B1EC-4F77-91E4-027F8E5E0333'
const tls = '169.254.169.253:443'
const proxy = '169.254.169.253:3128'

/** The doors of a guest, by the packets of its network. */
describe('a guest’s network', () => {
  let folder: string
  let service: Server
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
      ['metadata', 'time', 'proxy', 'services'].map((name) => [name, join(folder, name)]),
    ) as Record<'metadata' | 'time' | 'proxy' | 'services', string>
    const gate = { tlsPort: port, vmId, reported: () => reported }
    endpoints.push(
      await startServicesDoor({ socket: doors.services, ...gate }),
      await startGuestProxy({ socket: doors.proxy, ...gate }),
    )
    for (const door of [doors.services, doors.proxy]) await giveTo(door, user)
    const targets = [tls, proxy, `169.254.0.2:${port}`, `127.0.0.1:${port}`]
    wire = await openGuestWire({ doors, targets, user })
  }, 60_000)

  afterEach(async () => {
    await wire.close()
    for (const endpoint of endpoints.splice(0)) await endpoint.close()
    for (const socket of reached) socket.destroy()
    service.close()
    await rm(folder, { recursive: true })
  })

  /** What comes back for a word, until the other end closes or has answered. */
  async function say(target: string, text: string): Promise<string> {
    const socket = await wire.dial(target)
    socket.on('error', () => socket.destroy())
    socket.write(text)
    let heard = ''
    socket.on('data', (chunk) => {
      heard += String(chunk)
      socket.end()
    })
    await once(socket, 'close')
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
  }, 60_000)

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
  }, 60_000)

  it('starts no program for a connection, and has no more of them than a door takes (attack H11)', async () => {
    reported = true
    const children = async (): Promise<string> => await readFile(`/proc/${wire.pid}/task/${wire.pid}/children`, 'utf8')
    const sockets: Socket[] = []
    const outcomes: string[] = []
    for (let n = 0; n < connectionLimit + 2; n++) {
      const socket = await wire.dial(tls)
      sockets.push(socket)
      socket.on('error', () => socket.destroy())
      const outcome = Promise.race([once(socket, 'data').then(String), once(socket, 'close').then(() => 'closed')])
      socket.write('x')
      outcomes.push(await outcome)
    }
    expect(outcomes).toEqual([...Array<string>(connectionLimit).fill('service: x'), 'closed', 'closed'])
    expect(await children()).toBe('')
    for (const socket of sockets) socket.destroy()
  }, 60_000)
})
