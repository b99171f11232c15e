import { collateralPaths } from '@strongroom/contract'
import { createLogger, type Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { migrations } from '../store/migrations.ts'
import { silicon } from '../testing/harness.ts'
import { startVendorServer, type VendorServer } from '../testing/vendor-server.ts'
import type { CollateralItem } from './collateral-item.ts'
import { CollateralCache } from './cache.ts'
import { vendorSource } from './sources.ts'

const day = 24 * 3600_000
const [authorities, list] = [collateralPaths.snpCertificateChain('Milan'), collateralPaths.snpRevocationList('Milan')]
const levels = { bootLoader: 1, tee: 0, snp: 1, microcode: 1 }
const chip = (number: number): string =>
  collateralPaths.snpVcek({ product: 'Milan', hwid: number.toString(16).padStart(128, '0'), ...levels })

describeStores('what is kept of chips', (openStore) => {
  let now: number
  let vcek: Uint8Array
  let vendors: VendorServer
  let store: Store
  const clock = { now: () => new Date(now) }
  const open = (source: 'vendors' | 'installation' = 'vendors', chipLimit = 10): CollateralCache =>
    new CollateralCache({
      store,
      clock,
      logger: createLogger({ level: 'silent' }),
      source: { ...vendorSource(vendors.endpoints, clock), name: source },
      // One certificate serves for all chips, so that thousands need not be created; judging is tested elsewhere.
      verify: () => Promise.resolve([]),
      chipLimit,
    })
  const paths = async (cache: CollateralCache): Promise<string[]> => (await cache.list()).map(({ path }) => path)
  const usedAt = async (path: string): Promise<unknown> =>
    (
      await store.db
        .selectFrom('collateral')
        .select('used_at')
        .where('path', '=', `vendors:${path}`)
        .executeTakeFirstOrThrow()
    ).used_at
  const itemOf = (): CollateralItem => ({
    body: vcek,
    headers: {},
    fetchedAt: clock.now(),
    expiresAt: new Date(now + 2000 * day),
  })

  beforeAll(async () => {
    vcek = (await (await silicon()).amd.endorsements()).vcek
  })

  beforeEach(async () => {
    now = Date.now()
    store = await openStore()
    await store.migrate('attestation', migrations)
    vendors = await startVendorServer()
    const { chainPem, crl } = await (await silicon()).amd.endorsements()
    for (let number = 0; number < 100; number++) vendors.answers.set(`/kds${chip(number)}`, { body: vcek })
    vendors.answers.set(`/kds${authorities}`, { body: chainPem })
    vendors.answers.set(`/kds${list}`, { body: crl })
  })

  afterEach(async () => {
    await vendors.close()
  })

  it('is bounded, however many chips are asked for: the longest unused leave, the fetched before the imported (attack Q11)', async () => {
    const [cache, other] = [open(), open('installation')]
    await cache.get(authorities)
    await cache.get(list)
    await other.get(chip(0))
    for (const number of [0, 1]) await cache.put(chip(number), itemOf())
    // Fetched before the operator imported it.
    await cache.get(chip(2))
    expect(await cache.put(chip(2), { ...itemOf(), expiresAt: new Date(now + day) })).toBe('kept')
    await cache.get(chip(3))
    for (let number = 10; number < 40; number++) {
      now += day
      await cache.get(chip(3))
      await cache.close()
      await cache.get(chip(number))
    }
    const fetched = [34, 35, 36, 37, 38, 39]
    expect(await paths(cache)).toEqual([0, 1, 2, 3, ...fetched].map(chip).concat(authorities, list))
    expect(await paths(other)).toEqual([chip(0), authorities])
    // Among imported ones only, the longest unused is removed too.
    for (let number = 50; number < 60; number++) {
      now += day
      await cache.put(chip(number), itemOf())
    }
    const imported = [50, 51, 52, 53, 54, 55, 56, 57, 58, 59]
    expect(await paths(cache)).toEqual([...imported.map(chip), authorities, list])
  })

  it('leaves when nobody used it for 90 days, unless an operator brought it', async () => {
    const cache = open()
    await cache.get(authorities)
    await cache.put(chip(0), itemOf())
    await cache.get(chip(1))
    await cache.get(chip(2))
    for (let days = 0; days < 120; days += 40) {
      now += 40 * day
      await cache.get(chip(1))
      await cache.close()
      await cache.prune()
    }
    expect(await paths(cache)).toEqual([chip(0), chip(1), authorities])
    // And is refetched when its chip returns.
    const later = open()
    expect((await later.get(chip(2)))!.body).toEqual(vcek)
    expect(vendors.asked.filter((path) => path === `/kds${chip(2)}`)).toHaveLength(2)
  })

  it('leaves when it expires; a list stays until a newer one comes', async () => {
    const cache = open()
    await cache.get(list)
    await cache.get(chip(1))
    await cache.put(chip(0), { ...itemOf(), expiresAt: new Date(now + 10 * day) })
    now += 3650 * day
    await cache.prune()
    expect(await paths(cache)).toEqual([authorities, list])
  })

  it('is noted as used once a day, and not at each request', async () => {
    const cache = open()
    await cache.get(chip(1))
    const first = await usedAt(chip(1))
    for (let hour = 1; hour < 24; hour++) {
      now += 3600_000
      await cache.get(chip(1))
      await cache.close()
      expect(await usedAt(chip(1))).toBe(first)
    }
    now += 3600_000
    await cache.get(chip(1))
    await cache.close()
    expect(await usedAt(chip(1))).toBe(clock.now().toISOString())
  })

  it('counts as imported where it was kept before anybody noted who brought it', async () => {
    const old = await openStore()
    const before = Object.fromEntries(Object.entries(migrations).filter(([name]) => name < '0006'))
    await old.migrate('attestation', before)
    const { chainPem } = await (await silicon()).amd.endorsements()
    const base64 = (body: Uint8Array | string): string => Buffer.from(body).toString('base64url')
    const row = { headers: '{}', fetched_at: clock.now().toISOString(), expires_at: itemOf().expiresAt.toISOString() }
    const rows = [
      { ...row, path: `vendors:${chip(0)}`, body: base64(vcek) },
      { ...row, path: `vendors:${authorities}`, body: base64(chainPem) },
    ]
    await old.db.insertInto('collateral').values(rows).execute()
    await old.migrate('attestation', migrations)
    store = old
    const cache = open()
    now += 200 * day
    await cache.prune()
    expect(await paths(cache)).toEqual([chip(0), authorities])
    for (let number = 10; number < 30; number++) await cache.get(chip(number))
    expect(await paths(cache)).toHaveLength(11)
    expect(await paths(cache)).toContain(chip(0))
    now += 4000 * day
    await cache.prune()
    expect(await paths(cache)).toEqual([authorities])
  })
})
