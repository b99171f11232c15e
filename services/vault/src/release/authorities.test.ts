import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import type { WireClient } from '@strongroom/platform'
import { kept } from '@strongroom/platform/testing'
import { describe, expect, it } from 'vitest'
import { createFakeProvider, providerUrl } from '../testing/fake-provider.ts'
import { Authorities } from './authorities.ts'

const jwkOf = (bits: number, more: object = {}): Record<string, unknown> => ({
  ...kept(`rsa-${bits}`, () => generateKeyPairSync('rsa', { modulusLength: bits })).publicKey.export({ format: 'jwk' }),
  ...more,
})

/** For a throw-away RSA key of 2048 bits, as base64 of its DER. */
const certificate = kept('certificate', () =>
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      '/dev/null',
      '-subj',
      '/CN=provider',
      '-outform',
      'DER',
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  ).toString('base64'),
)

describe('keys of authorities', () => {
  const setUp = () => {
    let now = new Date('2026-01-01T00:00:00Z')
    const clock = { now: () => now }
    const provider = createFakeProvider(clock.now)
    const later = (seconds: number): void => void (now = new Date(now.getTime() + seconds * 1000))
    return { provider, later, authorities: new Authorities({ wire: provider.wire, clock }) }
  }

  it('are fetched once for many requests and kept for an hour', async () => {
    const { provider, later, authorities } = setUp()
    const keys = await Promise.all(Array.from({ length: 10 }, () => authorities.key(providerUrl, 'provider-1')))
    expect(keys.every((key) => key !== undefined)).toBe(true)
    await authorities.key(`${providerUrl}/`, 'provider-1')
    expect(provider.asked).toHaveLength(1)
    later(3601)
    await authorities.key(providerUrl, 'provider-1')
    expect(provider.asked).toHaveLength(2)
  })

  it('are fetched again for an unknown id, but not at the pace of the requests', async () => {
    const { provider, later, authorities } = setUp()
    await authorities.key(providerUrl, 'provider-1')
    provider.published.keys.push(jwkOf(2048, { kid: 'provider-2' }))
    for (let index = 0; index < 20; index++) await authorities.key(providerUrl, 'provider-2')
    expect(provider.asked).toHaveLength(1)
    later(31)
    expect(await authorities.key(providerUrl, 'provider-2')).toBeDefined()
    expect(provider.asked).toHaveLength(2)
  })

  it('are kept to the second of their time, and fetched again where the clock was set back beyond it', async () => {
    const { provider, later, authorities } = setUp()
    const asked = async (seconds: number, kid: string): Promise<number> => {
      later(seconds)
      await authorities.key(providerUrl, kid)
      return provider.asked.length
    }
    expect(await asked(0, 'provider-1')).toBe(1)
    expect([await asked(30, 'unknown'), await asked(1, 'unknown')]).toEqual([1, 2])
    expect([await asked(3600, 'provider-1'), await asked(1, 'provider-1')]).toEqual([2, 3])
    expect([await asked(-3600, 'provider-1'), await asked(-1, 'provider-1')]).toEqual([3, 4])
  })

  /** Numbered providers, all with the same key. */
  const many = () => {
    let now = new Date(0)
    const asked: string[] = []
    const methods = new Set<string>()
    const keys = { keys: [jwkOf(2048, { kid: 'k' })] }
    const wire: WireClient = {
      request: (o) => {
        asked.push(o.url)
        methods.add(o.method)
        return Promise.resolve({ status: 200, headers: {}, body: keys as never })
      },
      close: () => {},
    }
    const authorities = new Authorities({ wire, clock: { now: () => now } })
    const ask = async (number: number): Promise<unknown> =>
      await authorities.key(`https://a${number}.weu.attest.strongroom.internal`, 'k')
    return {
      asked,
      methods,
      ask,
      later: (seconds: number): void => void (now = new Date(now.getTime() + seconds * 1000)),
    }
  }

  it('of some authorities are kept, not of any number', async () => {
    const { asked, methods, ask } = many()
    for (let number = 0; number < 64; number++) await ask(number)
    await ask(0)
    expect(asked).toHaveLength(64)
    // The one fetched first is evicted, and no other.
    await ask(64)
    await ask(1)
    expect(asked).toHaveLength(65)
    await ask(0)
    expect(asked).toHaveLength(66)
    expect(methods).toEqual(new Set(['GET']))
  })

  it('that were fetched again are not the first to go', async () => {
    const { later, ask, asked } = many()
    for (let number = 0; number < 64; number++) await ask(number)
    later(3601)
    await ask(0)
    await ask(64)
    expect(asked).toHaveLength(66)
    await ask(0)
    expect(asked).toHaveLength(66)
  })

  it('are taken from the first 32 that an authority publishes, also from certificates', async () => {
    const { provider, authorities } = setUp()
    const one = jwkOf(2048)
    provider.published.keys = Array.from({ length: 40 }, (_, index) => ({ ...one, kid: `k${index}` }))
    provider.published.keys[0] = { kid: 'k0', kty: 'RSA', x5c: [certificate] }
    const found = await Promise.all(Array.from({ length: 40 }, (_, index) => authorities.key(providerUrl, `k${index}`)))
    expect(found.map((key) => key !== undefined)).toEqual([...Array(32).fill(true), ...Array(8).fill(false)])
    expect(found[0]?.asymmetricKeyType).toBe('rsa')
    expect(found[1]?.export({ format: 'jwk' })).toMatchObject({ n: one['n'], e: one['e'] })
  })

  it('that were withdrawn stop counting within an hour', async () => {
    const { provider, later, authorities } = setUp()
    expect(await authorities.key(providerUrl, 'provider-1')).toBeDefined()
    provider.published.keys = []
    later(3601)
    expect(await authorities.key(providerUrl, 'provider-1')).toBeUndefined()
  })

  it('count only as RSA keys of at least 2048 bits for RS256 signatures', async () => {
    const { provider, authorities } = setUp()
    provider.published.keys = [
      jwkOf(1024, { kid: 'small' }),
      jwkOf(2048, { kid: 'enc', use: 'enc' }),
      jwkOf(2048, { kid: 'pss', alg: 'PS256' }),
      { kid: 'oct', kty: 'oct', k: 'AAAA' },
      { kid: 'broken', kty: 'RSA', n: 7, e: 'AQAB' },
      { kid: 'x5c', kty: 'RSA', x5c: ['AAAA'] },
      jwkOf(2048, { kid: 7 }),
      jwkOf(2048, { kid: 'good' }),
      jwkOf(2048, { kid: 'used', use: 'sig', alg: 'RS256' }),
      { kid: 'list', kty: 'RSA', x5c: 'AAAA' },
      { kid: 'half', kty: 'RSA', n: jwkOf(2048)['n'] },
      jwkOf(2048, { kid: 'kind', kty: 'EC' }),
      // Half a key beside a certificate: the certificate is complete.
      { kid: 'n', kty: 'RSA', n: 'AAAA', x5c: [certificate] },
      { kid: 'e', kty: 'RSA', e: 'AQAB', x5c: [certificate] },
    ]
    for (const kid of ['small', 'enc', 'pss', 'oct', 'broken', 'x5c', '7', 'list', 'half', 'kind']) {
      expect(await authorities.key(providerUrl, kid)).toBeUndefined()
    }
    for (const kid of ['good', 'used', 'n', 'e']) expect(await authorities.key(providerUrl, kid)).toBeDefined()
  })

  it('are not asked of hosts that are not providers of the installation', async () => {
    const { provider, authorities } = setUp()
    for (const authority of [
      '',
      'sharedweu.weu.attest.strongroom.internal',
      'https://sharedweu.weu.attest.azure.net',
      'https://vault.strongroom.internal',
      'https://attest.strongroom.internal',
      'https://a.attest.strongroom.internal.evil.example',
      'https://evil.example/.attest.strongroom.internal',
      'http://a.attest.strongroom.internal',
    ]) {
      expect(authorities.trusts(authority)).toBe(false)
      expect(await authorities.key(authority, 'provider-1')).toBeUndefined()
    }
    expect(provider.asked).toEqual([])
  })

  it('of another origin are asked of the operator’s address alone, and only where the operator named it', async () => {
    const { provider } = setUp()
    const asked: string[] = []
    const wire: WireClient = {
      request: (o) => {
        asked.push(o.url)
        return Promise.resolve({ status: 200, headers: {}, body: provider.published as never })
      },
      close: () => {},
    }
    const issuer = 'https://attest.example.org'
    const named = { name: 'other', issuer, keys: 'https://keys.example.org/jwks.json', collateral: false }
    const authorities = new Authorities({ wire, clock: { now: () => new Date() }, verifiers: [named] })
    expect(authorities.trusts(`${issuer}/`)).toBe(true)
    expect(await authorities.key(issuer, 'provider-1')).toBeDefined()
    expect(asked).toEqual(['https://keys.example.org/jwks.json'])
    expect(await authorities.key('https://attest.example.com', 'provider-1')).toBeUndefined()
    expect(await authorities.key('https://keys.example.org', 'provider-1')).toBeUndefined()
    expect(asked).toHaveLength(1)
  })

  it('that cannot be fetched make the request fail as unavailable, not as refused', async () => {
    const { authorities } = setUp()
    await expect(authorities.key('https://other.weu.attest.strongroom.internal', 'k')).rejects.toMatchObject({
      code: 'AuthorityUnavailable',
      status: 503,
      headers: { 'retry-after': '5' },
    })
  })

  it('are a bounded number of garbage or none at all without failing', async () => {
    for (const published of [undefined, null, 'keys', [], { keys: {} }, { keys: [null, 1, 'x', []] }]) {
      const { provider, authorities } = setUp()
      provider.published = published as never
      expect(await authorities.key(providerUrl, 'provider-1')).toBeUndefined()
      expect(provider.asked).toHaveLength(1)
    }
    // A usable one is found after any of these.
    const { provider, authorities } = setUp()
    provider.published.keys.unshift(null as never, 1 as never, [] as never)
    expect(await authorities.key(providerUrl, 'provider-1')).toBeDefined()
  })
})
