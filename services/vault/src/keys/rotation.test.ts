import { randomBytes } from 'node:crypto'
import { createLogger, createSealer, systemClock } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSoftwareKeystore } from '../keystore/software.ts'
import { openOperationLog } from '../log/open.ts'
import { migrations } from '../store/migrations.ts'
import { testVaultOf } from '../testing/test-vault.ts'
import type { Vault } from '../vaults/vault.ts'
import { leastDays, parseDuration, shifted } from './duration.ts'
import { Keys } from './keys.ts'
import { KeyRepository } from './repository.ts'
import { Rotation } from './rotation.ts'

const day = 24 * 3600
const caller = { objectId: 'o', appId: 'a', tenantId: 't', claims: {} }

describeStores('rotation by policy', (open) => {
  it('makes the next version when its time has come, once, and goes on from there', async () => {
    const { keys, rotation, place, set, now } = await parts(open)
    await keys.create(caller, place, { kty: 'EC' })
    await rotation.setPolicy(caller, place, {
      lifetimeActions: [{ trigger: { timeAfterCreate: 'P10D' }, action: { type: 'Rotate' } }],
    })
    const first = await keys.get(place)
    expect(await rotation.rotateDue()).toBe(0)
    set(now() + 10 * day)
    expect(await rotation.rotateDue()).toBe(1)
    expect(await rotation.rotateDue()).toBe(0)
    const second = await keys.get(place)
    expect(second.publicParts).not.toEqual(first.publicParts)
    set(now() + 10 * day)
    expect(await rotation.rotateDue()).toBe(1)
  })

  it('starts over when somebody makes a version, and ends with a policy that rotates nothing', async () => {
    const { keys, rotation, place, set, now } = await parts(open)
    await keys.create(caller, place, { kty: 'EC' })
    const rotate = { lifetimeActions: [{ trigger: { timeAfterCreate: 'P10D' }, action: { type: 'Rotate' } }] }
    await rotation.setPolicy(caller, place, rotate)
    set(now() + 9 * day)
    await keys.create(caller, place, { kty: 'EC' })
    set(now() + 2 * day)
    expect(await rotation.rotateDue()).toBe(0)
    await rotation.setPolicy(caller, place, { lifetimeActions: [] })
    set(now() + 100 * day)
    expect(await rotation.rotateDue()).toBe(0)
  })

  it('leaves keys of deleted vaults, which keep no other from it', async () => {
    const { keys, rotation, place, set, now, vaults } = await parts(open)
    const other = { vault: testVaultOf('kv2'), name: 'k' }
    const rotate = { lifetimeActions: [{ trigger: { timeAfterCreate: 'P10D' }, action: { type: 'Rotate' } }] }
    for (const each of [place, other]) {
      await keys.create(caller, each, { kty: 'EC' })
      await rotation.setPolicy(caller, each, rotate)
    }
    vaults.delete('kv1')
    vaults.set('kv2', other.vault)
    set(now() + 11 * day)
    expect(await rotation.rotateDue()).toBe(1)
    vaults.set('kv1', place.vault)
    expect(await rotation.rotateDue()).toBe(0)
    set(now() + day)
    expect(await rotation.rotateDue()).toBe(1)
  })
})

async function parts(open: Parameters<Parameters<typeof describeStores>[1]>[0]): Promise<{
  keys: Keys
  rotation: Rotation
  place: { vault: Vault; name: string }
  vaults: Map<string, Vault>
  set: (seconds: number) => void
  now: () => number
}> {
  const store = await open()
  await store.migrate('vault', migrations)
  let date = systemClock.now()
  const clock = { now: () => date }
  const sealer = createSealer(randomBytes(32))
  const log = await openOperationLog({ store, clock, sealer })
  const repository = new KeyRepository(store)
  const keyParts = { store, repository, keystore: createSoftwareKeystore(sealer), log, clock }
  const keys = new Keys(keyParts)
  const vaults = new Map([['kv1', testVaultOf('kv1')]])
  const logger = createLogger({ level: 'silent' })
  const rotation = new Rotation({ ...keyParts, keys, logger, vault: (name) => Promise.resolve(vaults.get(name)) })
  return {
    keys,
    rotation,
    vaults,
    place: { vault: testVaultOf('kv1'), name: 'k' },
    set: (seconds) => void (date = new Date(seconds * 1000)),
    now: () => Math.floor(date.getTime() / 1000),
  }
}

describe('durations', () => {
  it('are years, months and days of the calendar', () => {
    const at = (text: string): number => Date.parse(text) / 1000
    const moved = (from: string, duration: string, sign: 1 | -1 = 1): number =>
      shifted(at(from), parseDuration(duration)!, sign)
    expect(moved('2026-01-31T10:00:00Z', 'P1M')).toBe(at('2026-02-28T10:00:00Z'))
    expect(moved('2024-02-29T00:00:00Z', 'P1Y')).toBe(at('2025-02-28T00:00:00Z'))
    expect(moved('2026-03-31T00:00:00Z', 'P1M10D', -1)).toBe(at('2026-02-18T00:00:00Z'))
    expect(leastDays(parseDuration('P1Y2M3D')!)).toBe(365 + 56 + 3)
  })

  it('are nothing else', () => {
    for (const text of [
      'P',
      'P0D',
      'PT1H',
      'P1W',
      '1D',
      'P-1D',
      'P1D ',
      'P1.5D',
      'p1d',
      'P1D1M',
      `P${'9'.repeat(9)}D`,
    ]) {
      expect([text, parseDuration(text)]).toEqual([text, undefined])
    }
    fc.assert(
      fc.property(fc.nat(900), fc.nat(900), fc.nat(9000), (years, months, days) => {
        const parsed = parseDuration(`P${years}Y${months}M${days}D`)
        expect(parsed).toEqual(years + months + days === 0 ? undefined : { years, months, days })
      }),
    )
  })
})
