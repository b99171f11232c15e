import {
  bitString,
  der,
  integer,
  nullValue,
  sequence,
  tagged,
  time,
  authorityExtensions,
  encodeExtensions,
  encodeName,
  type Extension,
} from '@strongroom/der'
import {
  parseCertificate,
  parseCrl,
  VerificationCache,
  verifyCrl,
  type Certificate,
  type Crl,
} from '@strongroom/evidence'
import { beforeAll, describe, expect, it } from 'vitest'
import { counting } from '../testing/counting.ts'
import { memoryKeyStore } from '../testing.ts'
import { issueCertificate } from './certificate-writer.ts'
import { loadOrCreateKey, type SigningKey } from './keys.ts'
import { signatureAlgorithm, signForCertificate } from './signature.ts'

const from = new Date('2026-01-01T00:00:00Z')
const until = new Date('2026-02-01T00:00:00Z')
const at = new Date('2026-01-15T00:00:00Z')
const none = new Uint8Array(0)
const entry = (serial: bigint, date: Date, ...extensions: Uint8Array[]): Uint8Array =>
  sequence(integer(serial), time(date), ...extensions)

interface Parts {
  version?: Uint8Array
  issuer?: string
  nextUpdate?: Uint8Array
  /** Entries; the list is omitted if there are none. */
  revoked?: Uint8Array[]
  extensions?: Extension[]
  tail?: Uint8Array
  end?: Uint8Array
}

let key: SigningKey
let issuer: Certificate
beforeAll(async () => {
  key = await loadOrCreateKey(memoryKeyStore(), 'root', 'ecdsa-p256-sha256')
  issuer = await authority('Root', authorityExtensions())
})

async function authority(name: string, extensions: Extension[]): Promise<Certificate> {
  return parseCertificate(
    await issueCertificate({
      serialNumber: 1n,
      subject: [['CN', name]],
      issuer: [['CN', name]],
      subjectKey: key.spki,
      signer: key,
      notBefore: from,
      notAfter: until,
      extensions,
    }),
  )
}

async function list(o: Parts = {}): Promise<Uint8Array> {
  const algorithm = signatureAlgorithm(key.scheme)
  const tbs = sequence(
    o.version ?? integer(1),
    algorithm,
    encodeName([['CN', o.issuer ?? 'Root']]),
    time(from),
    o.nextUpdate ?? time(until),
    o.revoked === undefined ? none : sequence(...o.revoked),
    o.extensions === undefined ? none : tagged(0, encodeExtensions(o.extensions)),
    o.tail ?? none,
  )
  return sequence(tbs, algorithm, bitString(await signForCertificate(key, tbs)), o.end ?? none)
}
const read = async (o: Parts = {}): Promise<Crl> => parseCrl(await list(o))

describe('a revocation list', () => {
  it('is read whole', async () => {
    const der = await list({ extensions: [{ oid: '2.5.29.20', value: integer(7) }] })
    expect(parseCrl(der)).toMatchObject({
      raw: der,
      issuer: { commonName: 'Root' },
      thisUpdate: from,
      nextUpdate: until,
      revoked: new Map(),
      extensions: [{ oid: '2.5.29.20', critical: false }],
      signatureAlgorithm: { kind: 'ECDSA', hash: 'SHA-256' },
    })
    expect((await read()).extensions).toEqual([])
    expect((await read({ nextUpdate: none })).nextUpdate).toBeUndefined()
    const late = new Date('2055-01-01T00:00:00Z')
    expect((await read({ nextUpdate: time(late) })).nextUpdate).toEqual(late)
  })

  it('gives each serial number its own date', async () => {
    const [first, second] = [from, at]
    const reason = sequence(sequence(der(6, Uint8Array.of(0x55, 0x1d, 0x15)), der(4, Uint8Array.of(10, 1, 1))))
    const { revoked } = await read({
      revoked: [
        entry(1n, first),
        entry(2n, first),
        entry(0x80n, second),
        entry(4n, second, reason),
        entry(5n, first, reason),
        entry(6n, first),
      ],
    })
    expect([...revoked]).toEqual([
      ['01', first],
      ['02', first],
      ['0080', second],
      ['04', second],
      ['05', first],
      ['06', first],
    ])
  })

  const critical = (): Uint8Array => encodeExtensions([{ oid: '2.5.29.29', critical: true, value: nullValue() }])
  it.each<[what: string, parts: () => Parts, code: string]>([
    ['of version 1', () => ({ version: none }), 'UnknownType'],
    ['of another version', () => ({ version: integer(2) }), 'UnknownVersion'],
    ['with an entry that may be another issuer’s', () => ({ revoked: [entry(1n, from, critical())] }), 'UnknownType'],
    [
      'with an entry of four',
      () => ({ revoked: [entry(1n, from, encodeExtensions([{ oid: '1.2.3', value: none }]), nullValue())] }),
      'TrailingBytes',
    ],
    ['with an entry without a date', () => ({ revoked: [sequence(integer(1))] }), 'Truncated'],
    ['with a second list', () => ({ revoked: [], tail: sequence() }), 'TrailingBytes'],
    ['with something after its signature', () => ({ end: nullValue() }), 'TrailingBytes'],
  ])('%s is refused', async (_, parts, code) => {
    await expect(read(parts())).rejects.toMatchObject({ name: 'ParseError', code })
  })

  it('has nothing after it, and is not larger than any', async () => {
    const bytes = await list()
    expect(() => parseCrl(Uint8Array.of(...bytes, 0))).toThrow(expect.objectContaining({ code: 'TrailingBytes' }))
    expect(() => parseCrl(new Uint8Array((1 << 23) + 1))).toThrow(expect.objectContaining({ code: 'TooLarge' }))
    expect(() => parseCrl(new Uint8Array(1 << 23))).toThrow(expect.objectContaining({ code: 'UnknownType' }))
  })
})

describe('verifyCrl', () => {
  const verify = async (o: Parts, when = at, by = issuer): Promise<void> =>
    verifyCrl({ crl: await read(o), issuer: by, at: when })
  const refused = (promise: Promise<void>, code: string, facts: object = {}): Promise<void> =>
    expect(promise).rejects.toMatchObject({ name: 'VerificationError', code, ...facts })

  it('takes a list from its first second to its last', async () => {
    for (const when of [from, at, until]) await verify({}, when)
    const subject = 'revocation list of Root'
    await refused(verify({}, new Date(from.getTime() - 1000)), 'CrlNotYetValid', {
      subject,
      found: '2025-12-31T23:59:59.000Z',
    })
    await refused(verify({}, new Date(until.getTime() + 1000)), 'CrlExpired', {
      subject,
      expected: 'at or before 2026-02-01T00:00:00.000Z',
    })
    await refused(verify({}, new Date(Number.NaN)), 'CrlNotYetValid', { found: 'no time' })
    await refused(verify({ nextUpdate: none }), 'CrlExpired', { expected: 'a time of the next update' })
  })

  it('takes critical extensions that change nothing, and no others', async () => {
    const extensions = (oid: string, critical: boolean): Extension[] => [{ oid, critical, value: nullValue() }]
    for (const harmless of ['2.5.29.20', '2.5.29.35']) await verify({ extensions: extensions(harmless, true) })
    await verify({ extensions: extensions('1.2.3', false) })
    for (const unknown of ['1.2.3', '2.5.29.27', '2.5.29.28'])
      await refused(verify({ extensions: extensions(unknown, true) }), 'UnknownCriticalExtension', { found: unknown })
  })

  it('takes the list of this issuer alone, who may sign lists', async () => {
    await refused(verify({ issuer: 'Other' }), 'CrlIssuerMismatch', { expected: 'Root', found: 'Other' })
    await verify({}, at, await authority('Root', []))
    const usage = authorityExtensions()[1]!
    const mayNot = await authority('Root', [{ ...usage, value: Uint8Array.of(3, 2, 2, 4) }])
    await refused(verify({}, at, mayNot), 'CertificateNotForThisUse')
    await verify({}, at, await authority('Root', [usage]))
    const forged = await read()
    forged.signature = forged.signature.slice()
    forged.signature[20]! ^= 1
    await refused(verifyCrl({ crl: forged, issuer, at, subject: 'the list' }), 'CrlSignatureInvalid', {
      subject: 'the list',
    })
  })

  it('checks a signature once for each list and issuer that a cache knows', async () => {
    const { primitives, checks } = counting()
    const cache = new VerificationCache()
    const crl = cache.parsed('crl', await list(), parseCrl)
    const known = cache.parsed('certificate', issuer.raw, parseCertificate)
    for (const wanted of [1, 0]) {
      await verifyCrl({ crl, issuer: known, at, primitives, cache })
      expect(checks()).toBe(wanted)
    }
    await verifyCrl({ crl, issuer, at, primitives })
    expect(checks()).toBe(1)
  })
})
