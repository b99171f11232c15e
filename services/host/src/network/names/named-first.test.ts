import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseDnsQuery } from './dns-message.ts'
import { requestHost as readHost, serverName as readName, type NameReader } from './named-first.ts'
import { helloOf } from '../testing/test-hello.ts'

/** The name, empty if none is given, or `more`. */
const said =
  (reader: () => NameReader) =>
  (...pieces: (Uint8Array | Uint8Array[])[]): string | undefined => {
    const read = reader()
    for (const piece of pieces.flat()) {
      const found = read(piece)
      if (found !== undefined) return found.name
    }
    return 'more'
  }
const serverName = said(readName)
const requestHost = said(readHost)

/** The same handshake in records of this many bytes. */
const inRecords = (hello: Buffer, bytes: number): Buffer => {
  const content = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < content.length; at += bytes) {
    const part = content.subarray(at, at + bytes)
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 255]), part)
  }
  return Buffer.concat(records)
}

describe('the name in a ClientHello', () => {
  it('is read once it is whole, from however many records, and never from less', async () => {
    const hello = await helloOf('Deb.Example.org')
    for (const each of [hello, inRecords(hello, 100), inRecords(hello, 1)]) {
      expect(serverName(each)).toBe('deb.example.org')
      for (const length of [0, 4, 5, 50, each.length - 1]) expect(serverName(each.subarray(0, length))).toBe('more')
    }
  })

  it('is none where none is said, and in what is not TLS', async () => {
    expect(serverName(await helloOf(undefined))).toBeUndefined()
    for (const text of ['GET / HTTP/1.1\r\n', 'SSH-2.0-x', 'x']) expect(serverName(Buffer.from(text))).toBeUndefined()
    expect(serverName(Buffer.alloc(100_000, 22))).toBeUndefined()
  })

  it('is a name or nothing, whatever bytes are changed', async () => {
    const hello = await helloOf('deb.example.org')
    const change = fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { maxLength: 8 })
    fc.assert(
      fc.property(change, fc.nat(hello.length), (changes, cut) => {
        const bytes = Buffer.from(hello)
        for (const [at, value] of changes) bytes[at] = value
        const name = serverName(bytes.subarray(0, cut))
        expect(name === undefined || /^[a-z0-9.-]{1,253}$/.test(name)).toBe(true)
      }),
      { numRuns: 2_000 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void serverName(bytes)))
  })
})

describe('the host of a request', () => {
  const of = (...fields: string[]): string | undefined =>
    requestHost(Buffer.from(['GET / HTTP/1.1', ...fields, '', ''].join('\r\n')))

  it('is read once the header is whole', () => {
    expect(of('Host: Deb.Example.org', 'Accept: */*')).toBe('deb.example.org')
    expect(of('host:deb.example.org:80')).toBe('deb.example.org')
    expect(requestHost(Buffer.from('GET / HTTP/1.1\r\nHost: a.b\r\n'))).toBe('more')
  })

  it('is none where there are two, another port or none, and in what is not a request', () => {
    for (const fields of [['Host: a.b', 'Host: c.d'], ['Host: a.b:81'], [], ['Host: '], ['Host: a b'], ['Host: a/b']])
      expect(of(...fields), fields.join()).toBeUndefined()
    expect(requestHost(Buffer.from('x\r\nHost: a.b\r\n\r\n'))).toBeUndefined()
    expect(requestHost(Buffer.alloc(40_000, 65))).toBeUndefined()
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void requestHost(bytes)))
  })
})

/** Byte by byte. */
const inBytes = (bytes: Buffer): Uint8Array[] => [...bytes].map((byte) => Uint8Array.of(byte))

describe('first words that come in pieces', () => {
  it('say the same name as whole ones', async () => {
    const hello = await helloOf('deb.example.org')
    const request = Buffer.from('GET / HTTP/1.1\r\nHost: deb.example.org\r\n\r\nmore')
    for (const whole of [hello, inRecords(hello, 100), inRecords(hello, 1)])
      expect(serverName(inBytes(whole))).toBe('deb.example.org')
    expect(requestHost(inBytes(request))).toBe('deb.example.org')
    for (const [read, bytes] of [[serverName, inRecords(hello, 7)] as const, [requestHost, request] as const])
      fc.assert(
        fc.property(fc.nat(bytes.length), fc.nat(bytes.length), (one, other) => {
          const [from, to] = [Math.min(one, other), Math.max(one, other)]
          const pieces = [bytes.subarray(0, from), bytes.subarray(from, to), bytes.subarray(to)]
          expect(read(...pieces)).toBe('deb.example.org')
        }),
      )
  })

  // Input without a name had each byte examined again with every following one: half a minute or more.
  it('cost their host no more for being many, and a header no more for its blanks (attack W21)', () => {
    const hello = Buffer.alloc(30_000)
    hello.set([1, 0, 0x70, 0])
    expect(serverName(inBytes(inRecords(Buffer.concat([Buffer.alloc(5), hello]), 1).subarray(0, 32_000)))).toBe('more')
    expect(serverName(inBytes(inRecords(Buffer.concat([Buffer.alloc(5), hello]), 1)))).toBeUndefined()
    const blanks = Buffer.from(`GET / HTTP/1.1\r\nHost:${' '.repeat(30_000)}a b\r\n\r\n`)
    for (let again = 0; again < 20; again++) expect(requestHost(blanks)).toBeUndefined()
    expect(requestHost(inBytes(blanks))).toBeUndefined()
  })
})

describe('a DNS query', () => {
  const head = Buffer.from('abcd01000001000000000000', 'hex')
  const query = (name: string, more = ''): Buffer => {
    const labels = name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]))
    return Buffer.concat([head, ...labels, Buffer.from([0, 0, 1, 0, 1]), Buffer.from(more, 'hex')])
  }

  it('is read with its question, whatever a resolver adds behind it', () => {
    for (const more of ['', '0000291000000000000000']) {
      const question = parseDnsQuery(query('Deb.Example.org', more))
      expect(question).toMatchObject({ id: 0xabcd, recursion: true, name: 'deb.example.org', type: 1, class: 1 })
      expect(Buffer.from(question!.raw)).toEqual(query('Deb.Example.org').subarray(12))
    }
  })

  it('is none where it is cut, an answer, of several questions, with a pointer or a name of bytes that are none', () => {
    const whole = query('deb.example.org')
    for (let length = 0; length < whole.length; length++)
      expect(parseDnsQuery(whole.subarray(0, length))).toBeUndefined()
    for (const [at, value] of [
      [2, 0x81],
      [2, 0x11],
      [5, 2],
      [12, 0xc0],
      [13, 0x20],
      [13, 0x2e],
    ] as const) {
      const bytes = Buffer.from(whole)
      bytes[at] = value
      expect(parseDnsQuery(bytes), `${at}`).toBeUndefined()
    }
    expect(parseDnsQuery(query(Array.from({ length: 130 }, () => 'a').join('.')))).toBeUndefined()
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void parseDnsQuery(bytes)))
  })
})
