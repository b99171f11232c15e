import { createSocket, type Socket } from 'node:dgram'
import { lookup, Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { dnsAnswer, parseDnsQuery } from './dns-message.ts'
import { addressOf } from './guest-names.ts'

vi.mock('node:dns/promises', { spy: true })

/** A name server that answers for one name, and never for `silent` ones. */
describe('a name that a guest asks for', () => {
  let server: Socket
  let servers: Resolver
  let asked: string[] = []
  beforeAll(async () => {
    server = createSocket('udp4')
    server.on('message', (message, { port, address }) => {
      const question = parseDnsQuery(message)
      if (question === undefined) return
      asked.push(question.name)
      if (question.name.startsWith('silent')) return
      const found = question.name === 'deb.example.org' && question.type === 1
      const answer = found ? { code: 0, address: [93, 184, 216, 34], seconds: 1 } : { code: 3, seconds: 1 }
      server.send(dnsAnswer(question, answer), port, address)
    })
    server.bind(0, '127.0.0.1')
    await once(server, 'listening')
    servers = new Resolver({ timeout: 60_000, tries: 1 })
    servers.setServers([`127.0.0.1:${server.address().port}`])
  })
  afterAll(() => {
    servers.cancel()
    server.close()
  })

  it('keeps no other name from being found (attack W23)', async () => {
    const silent = Array.from({ length: 200 }, async (_, n) => await addressOf(`silent${n}.example.org`, servers))
    await expect
      .poll(() => asked.filter((name) => name.startsWith('silent')).length, { timeout: 30_000 })
      .toBeGreaterThan(100)
    let isOver = false
    void Promise.race(silent).then(() => (isOver = true))
    expect(await addressOf('Deb.Example.org', servers)).toBe('93.184.216.34')
    expect(isOver).toBe(false)
    // It allows only two calls at a time for the whole process.
    expect(lookup).not.toHaveBeenCalled()
    servers.cancel()
    await Promise.all(silent)
  })

  it('has no address where there is none, and is asked of nobody where it is not a name of the DNS', async () => {
    asked = []
    expect(await addressOf('nowhere.example.org', servers)).toBeUndefined()
    expect(new Set(asked)).toEqual(new Set(['nowhere.example.org']))
    asked = []
    for (const name of [
      'localhost',
      'printer',
      '127.1',
      '0x7f.1',
      '1.2.3.0x4',
      'a..b',
      '.a.b',
      'a.b.',
      '-a.b',
      'a b.c',
      '',
    ])
      expect(await addressOf(name, servers), name).toBeUndefined()
    expect(asked).toEqual([])
  })
})
