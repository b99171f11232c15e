import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { IncomingMessage, ServerResponse } from 'node:http'
import { connect, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openAuthority, type InstallationAuthority } from '../../authority/authority.ts'
import { systemClock } from '../../clock/clock.ts'
import { openInstallation, type Installation } from '../../installation/installation.ts'
import { createLogger } from '../../log/logger.ts'
import { createSealer } from '../../sealing/sealer.ts'
import { createHttpApp } from '../app.ts'
import { freePort } from '../free-port.ts'
import { Pipelines } from './pipelines.ts'
import { serve } from '../serve.ts'

const logger = createLogger({ level: 'silent' })

describe('a connection on which requests are sent without waiting for answers', () => {
  let installation: Installation
  let authority: InstallationAuthority
  let server: { close(): Promise<void> }
  let stateDir: string
  let asked = 0
  beforeAll(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'strongroom-pipelines-'))
    const ports = { tls: await freePort(), local: await freePort() }
    installation = (await openInstallation({ stateDir, ports })).installation
    const sealer = createSealer(new Uint8Array(32).fill(6))
    authority = await openAuthority({ stateDir, sealer, clock: systemClock, installation })
    const app = createHttpApp({ name: 'one', logger })
    app.get('/slow', async () => {
      asked += 1
      await new Promise((done) => setTimeout(done, 100))
      return { asked }
    })
    const hosts = [{ matches: (host: string) => host === 'one.strongroom.internal', app }]
    server = await serve({ installation, authority, logger, hosts, portal: app })
  })
  afterAll(async () => {
    await server.close()
    await rm(stateDir, { recursive: true })
  })

  const dial: Record<string, () => Promise<Socket>> = {
    TLS: async () => {
      const { port, ca } = { port: installation.ports.tls, ca: authority.caPem }
      const socket = tlsConnect({ port, ca, host: '127.0.0.1', servername: 'one.strongroom.internal' })
      await once(socket, 'secureConnect')
      return socket
    },
    'the plain port': async () => {
      const socket = connect({ port: installation.ports.local, host: '127.0.0.1' })
      await once(socket, 'connect')
      return socket
    },
  }
  const request = (host: string): string => `GET /slow HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  const hosts: Record<string, string> = { TLS: 'one.strongroom.internal', 'the plain port': 'localhost' }

  it.each(Object.keys(dial))('is closed for more of them than clients send, by %s (attack W6)', async (by) => {
    asked = 0
    const socket = await dial[by]!()
    socket.on('error', () => {})
    const closed = new Promise((done) => socket.once('close', done))
    socket.write(request(hosts[by]!).repeat(20_000))
    await closed
    expect(asked).toBeLessThanOrEqual(32)
  })

  it('has nothing looked at that came behind what ended it, though its answers are over by then', () => {
    const pipelines = new Pipelines()
    const message = new IncomingMessage(new Socket())
    const responses = Array.from({ length: 33 }, () => new ServerResponse(message))
    expect(responses.map((response) => pipelines.admits(message, response))).toEqual([...Array(32).fill(true), false])
    expect(message.socket.destroyed).toBe(true)
    for (const response of responses) response.emit('close')
    expect(pipelines.admits(message, new ServerResponse(message))).toBe(false)
  })

  it.each(Object.keys(dial))('has its answers in their order where they are few, by %s', async (by) => {
    const socket = await dial[by]!()
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += String(chunk)))
    socket.write(request(hosts[by]!).repeat(20))
    await expect.poll(() => text.match(/HTTP\/1\.1 200/g)?.length, { timeout: 20_000 }).toBe(20)
    // And so again, once those are answered.
    socket.write(request(hosts[by]!).repeat(20))
    await expect.poll(() => text.match(/HTTP\/1\.1 200/g)?.length, { timeout: 20_000 }).toBe(40)
    socket.destroy()
  })
})
