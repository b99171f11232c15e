import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { requestHost } from '../names/named-first.ts'
import { startRelayDoor } from './relay-door.ts'
import { spec } from '../testing/test-endpoints.ts'

describe('a guest’s relay', () => {
  const outside = createServer((socket) => socket.on('error', () => {}).on('data', (chunk) => socket.end(chunk)))
  let folder: string
  let door: { close(): Promise<void> } | undefined
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'strongroom-relay-'))
    outside.listen(0, '127.0.0.1')
    await once(outside, 'listening')
    door = undefined
  })
  const listen = async (sayingMs?: number): Promise<void> => {
    const place = { host: '127.0.0.1', port: (outside.address() as { port: number }).port, own: false }
    const gate = {
      vmId: spec.vmId,
      tlsPort: 1,
      reported: () => true,
      resolve: async () => await Promise.resolve(place),
    }
    const asked = { socket: join(folder, 'web'), port: 80, readName: requestHost } as const
    door = await startRelayDoor({ ...asked, ...gate, ...(sayingMs !== undefined && { sayingMs }) })
  }
  afterEach(async () => {
    await door?.close()
    outside.close()
    await rm(folder, { recursive: true })
  })
  const open = (): Socket => connect({ path: join(folder, 'web') }).on('error', () => {})

  it('hands on what was said in whichever pieces it came', async () => {
    await listen()
    const socket = open()
    const request = 'GET / HTTP/1.1\r\nHost: deb.example.org\r\n\r\nand a body'
    for (const piece of request.match(/.{1,7}/gs)!) {
      socket.write(piece)
      await new Promise((resolve) => setImmediate(resolve))
    }
    let heard = ''
    for await (const chunk of socket) heard += String(chunk)
    expect(request.startsWith(heard) && heard.includes('\r\n\r\n')).toBe(true)
  })

  it('gives nobody longer to say a name for saying it little by little (attack W21)', async () => {
    await listen(400)
    const socket = open()
    // once() would reject with EPIPE if the last 'a' is written after the door has closed.
    const closed = new Promise((resolve) => socket.once('close', resolve))
    socket.resume()
    const begun = performance.now()
    const dribble = setInterval(() => socket.write('a'), 50)
    await closed
    clearInterval(dribble)
    expect(performance.now() - begun).toBeGreaterThan(350)
  })
})
