import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, type Store, type WireRequest } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it, onTestFinished } from 'vitest'
import { migrations } from '../store/migrations.ts'
import { FakeCollateral } from '../testing/harness.ts'
import type { CollateralItem } from './collateral-item.ts'
import { CollateralCache, type VerifyItem } from './cache.ts'
import { installationSource, vendorSource } from './sources.ts'

const day = 24 * 3600_000
const path = '/tdx/certification/v4/qe/identity'
const base = 'https://collateral.strongroom.internal'

describeStores('the collateral cache', (openStore) => {
  let now = Date.now()
  const clock = { now: () => new Date(now) }
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
  const identity = (nextUpdate: string, issueDate = new Date(now).toISOString()): Uint8Array =>
    bytes(JSON.stringify({ enclaveIdentity: { issueDate, nextUpdate } }))
  const inDays = (days: number): Uint8Array => identity(new Date(now + days * day).toISOString())
  /** Covers times only; the rest is in refused-answers.test.ts. */
  const verify: VerifyItem = ({ path: of, expiresAt }, { at }) =>
    Promise.resolve(expiresAt > at ? [] : [{ path: of, expected: 'a current one', found: 'an old one' }])
  const open = async (
    store?: Store,
    logger = createLogger({ level: 'silent' }),
  ): Promise<{ cache: CollateralCache; fake: FakeCollateral; store: Store }> => {
    const opened = store ?? (await openStore())
    await opened.migrate('attestation', migrations)
    const fake = new FakeCollateral()
    const source = installationSource({ wire: fake, baseUrl: `${base}/` })
    return { cache: new CollateralCache({ store: opened, clock, logger, source, verify }), fake, store: opened }
  }

  it('asks once for what many want at the same time, and never again while it is fresh', async () => {
    const { cache, fake } = await open()
    fake.answers.set(path, { body: inDays(30) })
    await Promise.all(Array.from({ length: 20 }, () => cache.get(path)))
    await cache.get(path)
    expect(fake.asked).toEqual([`${base}${path}`])
  })

  it('survives a restart without asking', async () => {
    const first = await open()
    first.fake.answers.set(path, { body: inDays(30), headers: { 'tcb-info-issuer-chain': 'chain', 'set-cookie': 'x' } })
    await first.cache.get(path)
    const second = await open(first.store)
    expect((await second.cache.get(path))!.headers).toEqual({ 'tcb-info-issuer-chain': 'chain' })
    expect(second.fake.asked).toEqual([])
  })

  it('finds what another process put there in place of what has expired', async () => {
    const here = await open()
    here.fake.answers.set(path, { body: inDays(1) })
    await here.cache.get(path)
    const there = await open(here.store)
    const item = { body: inDays(30), headers: {}, fetchedAt: new Date(now), expiresAt: new Date(now + 30 * day) }
    await there.cache.put(path, item)
    now += 2 * day
    here.fake.down = true
    expect((await here.cache.get(path))!.expiresAt).toEqual(item.expiresAt)
    expect(here.fake.asked).toHaveLength(1)
  })

  it('asks again before the item expires, and keeps the old one while the service is down or has none', async () => {
    const { cache, fake } = await open()
    fake.answers.set(path, { body: inDays(30) })
    const old = await cache.get(path)
    now += 29.5 * day
    fake.down = true
    expect((await cache.get(path))!.expiresAt).toEqual(old!.expiresAt)
    await cache.close()
    expect(fake.asked).toHaveLength(2)
    fake.down = false
    fake.answers.delete(path)
    for (let call = 0; call < 3; call++) {
      now += 120_000
      expect((await cache.get(path))!.expiresAt).toEqual(old!.expiresAt)
      await cache.close()
      // Not at each call.
      expect((await cache.get(path))!.expiresAt).toEqual(old!.expiresAt)
      expect(fake.asked).toHaveLength(3 + call)
    }
    fake.answers.set(path, { body: inDays(30) })
    now += 120_000
    await cache.get(path)
    await cache.close()
    expect((await cache.get(path))!.expiresAt.getTime()).toBeGreaterThan(old!.expiresAt.getTime())
  })

  it('makes nobody wait for a source that does not answer while what is kept counts', async () => {
    const { cache, fake } = await open()
    fake.answers.set(path, { body: inDays(30) })
    const old = await cache.get(path)
    now += 29.5 * day
    let answer = (): void => undefined
    const silent = new Promise<void>((resolve) => (answer = resolve))
    const request = fake.request.bind(fake)
    fake.request = async (o: WireRequest) => {
      await silent
      return await request(o)
    }
    fake.answers.set(path, { body: inDays(30) })
    expect(await Promise.all([cache.get(path), cache.get(path), cache.get(path)])).toEqual([old, old, old])
    answer()
    await cache.close()
    expect((await cache.get(path))!.expiresAt.getTime()).toBeGreaterThan(old!.expiresAt.getTime())
    expect(fake.asked).toHaveLength(2)
  })

  it('refreshes what is due before anybody asks for it, and nothing else', async () => {
    const { cache, fake } = await open()
    const other = '/tdx/certification/v4/tcb?fmspc=00606a000000'
    fake.answers.set(path, { body: inDays(3) })
    fake.answers.set(other, {
      body: bytes(JSON.stringify({ tcbInfo: { issueDate: new Date(now), nextUpdate: new Date(now + 30 * day) } })),
    })
    await cache.get(path)
    await cache.get(other)
    await cache.refreshDue()
    expect(fake.asked).toHaveLength(2)
    now += 2.9 * day
    fake.answers.set(path, { body: inDays(30) })
    await cache.refreshDue()
    expect(fake.asked.slice(2)).toEqual([`${base}${path}`])
    now += 10 * day
    expect((await cache.get(path))!.expiresAt.getTime()).toBeGreaterThan(now)
    expect(fake.asked).toHaveLength(3)
  })

  it('holds by what was made last: not by what counts for longer, and by no answer that was made before', async () => {
    const { cache, fake } = await open()
    const made = (daysAgo: number, days: number): Uint8Array =>
      identity(new Date(now + days * day).toISOString(), new Date(now - daysAgo * day).toISOString())
    const itemOf = (body: Uint8Array, days: number): CollateralItem => {
      return { body, headers: {}, fetchedAt: new Date(now), expiresAt: new Date(now + days * day) }
    }
    const [before, urgent] = [made(5, 90), made(1, 3)]
    fake.answers.set(path, { body: before })
    await cache.get(path)
    expect(await cache.put(path, itemOf(urgent, 3))).toBe('imported')
    expect((await cache.get(path))!.body).toEqual(urgent)
    expect(await cache.put(path, itemOf(before, 90))).toBe('kept')
    // Due, but the source still has the old one.
    now += 2.9 * day
    await cache.refreshDue()
    expect((await cache.get(path))!.body).toEqual(urgent)
    now += 1 * day
    await expect(cache.get(path)).rejects.toMatchObject({ code: 'CollateralUnavailable' })
    fake.answers.set(path, { body: made(0, 90) })
    now += 61_000
    expect((await cache.get(path))!.body).toEqual(fake.answers.get(path)!.body)
  })

  it('takes no older one by import either, also once the newer one has ended (attack W3)', async () => {
    const { cache, fake } = await open()
    const made = (daysAgo: number, days: number, edition: number): Uint8Array => {
      const [issueDate, nextUpdate] = [-daysAgo, days].map((each) => new Date(now + each * day))
      return bytes(JSON.stringify({ enclaveIdentity: { issueDate, nextUpdate, tcbEvaluationDataNumber: edition } }))
    }
    const put = async (body: Uint8Array, days: number): Promise<string> =>
      await cache.put(path, { body, headers: {}, fetchedAt: new Date(now), expiresAt: new Date(now + days * day) })
    const [before, lesser] = [made(5, 90, 18), made(0, 90, 17)]
    expect(await put(made(1, 3, 18), 3)).toBe('imported')
    now += 4 * day
    for (const body of [before, lesser]) {
      expect(await put(body, 86)).toBe('kept')
      fake.answers.set(path, { body })
      now += 61_000
      await expect(cache.get(path)).rejects.toMatchObject({ code: 'CollateralUnavailable' })
    }
    const later = made(2, 30, 19)
    expect(await put(later, 30)).toBe('imported')
    expect((await cache.get(path))!.body).toEqual(later)
  })

  it('fails closed: what has expired is given to nobody', async () => {
    const { cache, fake } = await open()
    fake.answers.set(path, { body: inDays(1) })
    await cache.get(path)
    now += 2 * day
    fake.down = true
    await expect(cache.get(path)).rejects.toMatchObject({ code: 'CollateralUnavailable', status: 503 })
    fake.down = false
    fake.answers.set(path, { body: inDays(-1) })
    await expect(cache.get(path)).rejects.toMatchObject({ code: 'CollateralUnavailable' })
    now += 61_000
    fake.answers.set(path, { body: identity('no date') })
    await expect(cache.get(path)).rejects.toMatchObject({ code: 'CollateralUnavailable' })
    await expect(cache.get('/anything/else')).rejects.toMatchObject({ code: 'CollateralUnavailable' })
  })

  it('says in its log what it refused, once for each time that it asked', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'strongroom-collateral-log-'))
    onTestFinished(() => rm(directory, { recursive: true, force: true }))
    const file = join(directory, 'log')
    const { cache, fake } = await open(undefined, createLogger({ level: 'warn', file }))
    fake.answers.set(path, { body: inDays(-1) })
    for (let call = 0; call < 5; call++)
      await expect(cache.get(path)).rejects.toMatchObject({ code: 'CollateralUnavailable' })
    expect(fake.asked).toHaveLength(1)
    const lines = (await readFile(file, 'utf8')).trim().split('\n')
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      expect.objectContaining({ path, source: 'installation', msg: expect.stringContaining('refused') }),
    ])
  })

  it('believes that an item is absent for a while', async () => {
    const { cache, fake } = await open()
    expect(await cache.get(path)).toBeUndefined()
    expect(await cache.get(path)).toBeUndefined()
    expect(fake.asked).toHaveLength(1)
    now += 61_000
    await cache.get(path)
    expect(fake.asked).toHaveLength(2)
  })

  it('keeps the items of two sources apart, and gives of a source that nobody asks what was imported until it expires', async () => {
    const { cache, fake, store } = await open()
    fake.answers.set(path, { body: inDays(30) })
    await cache.get(path)
    const vendors = new CollateralCache({
      store,
      clock,
      logger: createLogger({ level: 'silent' }),
      source: vendorSource({}),
      verify,
    })
    expect(await vendors.get(path)).toBeUndefined()
    const item = { body: inDays(3), headers: {}, fetchedAt: new Date(now), expiresAt: new Date(now + 3 * day) }
    expect(await vendors.put(path, item)).toBe('imported')
    expect(await vendors.put(path, { ...item, expiresAt: new Date(now + 2 * day) })).toBe('kept')
    expect((await vendors.get(path))!.expiresAt).toEqual(item.expiresAt)
    expect((await cache.get(path))!.body).toEqual(fake.answers.get(path)!.body)
    expect((await vendors.list()).map((each) => each.path)).toEqual([path])
    now += 4 * day
    await expect(vendors.get(path)).rejects.toMatchObject({ code: 'CollateralUnavailable' })
  })
})
