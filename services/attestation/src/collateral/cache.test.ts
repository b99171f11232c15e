import { createLogger, type Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { migrations } from '../store/migrations.ts'
import { FakeCollateral } from '../testing/harness.ts'
import { CollateralCache } from './cache.ts'

const day = 24 * 3600_000
const path = '/vcek/v1/Milan/crl'

describeStores('the collateral cache', (openStore) => {
  let now = Date.now()
  const clock = { now: () => new Date(now) }
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  /** A body is the day of its expiry. */
  const expiryOf = (body: Uint8Array): Date => new Date(new TextDecoder().decode(body))
  const inDays = (days: number): Uint8Array => bytes(new Date(now + days * day).toISOString())
  const open = async (store?: Store): Promise<{ cache: CollateralCache; fake: FakeCollateral; store: Store }> => {
    const opened = store ?? (await openStore())
    await opened.migrate('attestation', migrations)
    const fake = new FakeCollateral()
    const baseUrl = 'https://collateral.strongroom.internal/'
    return {
      cache: new CollateralCache({
        store: opened,
        wire: fake,
        clock,
        logger: createLogger({ level: 'silent' }),
        baseUrl,
      }),
      fake,
      store: opened,
    }
  }

  it('asks once for what many want at the same time, and never again while it is fresh', async () => {
    const { cache, fake } = await open()
    fake.answers.set(path, { body: inDays(30) })
    await Promise.all(Array.from({ length: 20 }, () => cache.get(path, expiryOf)))
    await cache.get(path, expiryOf)
    expect(fake.asked).toEqual([`https://collateral.strongroom.internal${path}`])
  })

  it('survives a restart without asking', async () => {
    const first = await open()
    first.fake.answers.set(path, { body: inDays(30), headers: { 'tcb-info-issuer-chain': 'chain', 'set-cookie': 'x' } })
    await first.cache.get(path, expiryOf)
    const second = await open(first.store)
    expect((await second.cache.get(path, expiryOf))!.headers).toEqual({ 'tcb-info-issuer-chain': 'chain' })
    expect(second.fake.asked).toEqual([])
  })

  it('asks again before the item expires, and keeps the old one while the service is down', async () => {
    const { cache, fake } = await open()
    fake.answers.set(path, { body: inDays(30) })
    const old = await cache.get(path, expiryOf)
    now += 29.5 * day
    fake.down = true
    expect((await cache.get(path, expiryOf))!.expiresAt).toEqual(old!.expiresAt)
    fake.down = false
    fake.answers.set(path, { body: inDays(30) })
    now += 120_000
    expect((await cache.get(path, expiryOf))!.expiresAt.getTime()).toBeGreaterThan(old!.expiresAt.getTime())
  })

  it('fails closed: what has expired is given to nobody', async () => {
    const { cache, fake } = await open()
    fake.answers.set(path, { body: inDays(1) })
    await cache.get(path, expiryOf)
    now += 2 * day
    fake.down = true
    await expect(cache.get(path, expiryOf)).rejects.toMatchObject({ code: 'CollateralUnavailable', status: 503 })
    fake.down = false
    fake.answers.set(path, { body: inDays(-1) })
    await expect(cache.get(path, expiryOf)).rejects.toMatchObject({ code: 'CollateralUnavailable' })
    fake.answers.set(path, { body: bytes('no date') })
    await expect(cache.get(path, expiryOf)).rejects.toMatchObject({ code: 'CollateralUnavailable' })
  })

  it('believes that an item is absent for a while', async () => {
    const { cache, fake } = await open()
    expect(await cache.get('/vcek/v1/Milan/00', expiryOf)).toBeUndefined()
    expect(await cache.get('/vcek/v1/Milan/00', expiryOf)).toBeUndefined()
    expect(fake.asked).toHaveLength(1)
    now += 61_000
    await cache.get('/vcek/v1/Milan/00', expiryOf)
    expect(fake.asked).toHaveLength(2)
  })
})
