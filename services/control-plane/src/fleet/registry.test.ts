import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { migrations } from '../store/migrations.ts'
import type { NewHost } from './fleet-host.ts'
import { HostRegistry } from './registry.ts'

const host = (name: string): NewHost => ({
  name,
  region: 'westeurope',
  zone: '1',
  tees: ['SNP'],
  labels: { rack: 'a' },
  vCPUs: 64,
  memoryMiB: 262_144,
})
const keyOf = (letter: string): string => letter.repeat(64)

async function open(store: Store): Promise<HostRegistry> {
  await store.migrate('control-plane', migrations)
  return new HostRegistry(store)
}

describeStores('the registry of hosts', (openStore) => {
  it('keeps what the operator says of a host, and of its join code the hash alone', async () => {
    const store = await openStore()
    const registry = await open(store)
    const { secret } = await registry.add(host('one'))
    expect(await registry.get('one')).toMatchObject({ ...host('one'), state: 'Invited', isAlive: false })
    expect(JSON.stringify(await store.db.selectFrom('fleet_host').selectAll().execute())).not.toContain(secret)
    await expect(registry.add(host('one'))).rejects.toMatchObject({ code: 'HostExists' })
    await expect(registry.add(host('local'))).rejects.toMatchObject({ code: 'HostNotManaged' })
  })

  it('lets a host in by its code, once, and the same key again where it did not hear the answer', async () => {
    const registry = await open(await openStore())
    const { secret } = await registry.add(host('one'))
    const joined = await registry.redeem({ name: 'one', secret, key: keyOf('a') })
    expect(joined).toMatchObject({ name: 'one', state: 'Ready', key: keyOf('a') })
    expect(await registry.redeem({ name: 'one', secret, key: keyOf('a') })).toMatchObject({ id: joined.id })
    expect((await registry.byKey(keyOf('a')))?.name).toBe('one')
    expect(await registry.byKey(keyOf('b'))).toBeUndefined()
  })

  it('renews the leases of all that call at one moment, and of none that was removed meanwhile', async () => {
    const registry = await open(await openStore())
    const joined = async (name: string, letter: string) =>
      await registry.redeem({ name, secret: (await registry.add(host(name))).secret, key: keyOf(letter) })
    const hosts = [await joined('one', 'a'), await joined('two', 'b'), await joined('gone', 'c')]
    expect((await registry.byKey(keyOf('c')))?.name).toBe('gone')
    await registry.remove('gone')
    expect(await registry.byKey(keyOf('c'))).toBeUndefined()
    const renewed = await Promise.allSettled(hosts.map(async (each) => await registry.renew(each)))
    expect(renewed.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect((await registry.list()).map(({ name, isAlive }) => [name, isAlive])).toEqual([
      ['one', true],
      ['two', true],
    ])
  })

  it('refuses a code that another key has used, one of another host, one that is over, and a key of another host', async () => {
    const store = await openStore()
    const registry = await open(store)
    const [one, two, three] = [
      await registry.add(host('one')),
      await registry.add(host('two')),
      await registry.add(host('three')),
    ]
    await registry.redeem({ name: 'one', secret: one.secret, key: keyOf('a') })
    const refused = { code: 'JoinCodeRefused', status: 403 }
    for (const attempt of [
      { name: 'one', secret: one.secret, key: keyOf('b') },
      { name: 'two', secret: one.secret, key: keyOf('b') },
      { name: 'nobody', secret: one.secret, key: keyOf('b') },
      { name: 'two', secret: two.secret, key: keyOf('a') },
    ])
      await expect(registry.redeem(attempt)).rejects.toMatchObject(refused)
    await store.db
      .updateTable('fleet_host')
      .set({ code_until: '2026-01-01T00:00:00.000Z' })
      .where('name', '=', 'three')
      .execute()
    await expect(registry.redeem({ name: 'three', secret: three.secret, key: keyOf('c') })).rejects.toMatchObject(
      refused,
    )
    expect((await registry.list()).map(({ name, state }) => [name, state])).toEqual([
      ['one', 'Ready'],
      ['three', 'Invited'],
      ['two', 'Invited'],
    ])
  })

  it('takes two keys that come with one code at the same moment for one: the first', async () => {
    const store = await openStore()
    const [here, there] = [await open(store), await open(await openStore({ sameAs: store }))]
    const { secret } = await here.add(host('one'))
    const outcomes = await Promise.allSettled([
      here.redeem({ name: 'one', secret, key: keyOf('a') }),
      there.redeem({ name: 'one', secret, key: keyOf('b') }),
    ])
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  it('counts on a host from its beat until its lease is over, by the database’s time', async () => {
    const store = await openStore()
    const registry = await open(store)
    const { secret } = await registry.add(host('one'))
    const joined = await registry.redeem({ name: 'one', secret, key: keyOf('a') })
    await registry.renew(joined)
    expect((await registry.get('one')).isAlive).toBe(true)
    await store.db.updateTable('fleet_lease').set({ until: '2026-01-01T00:00:00.000Z' }).execute()
    expect((await registry.get('one')).isAlive).toBe(false)
    await registry.renew(joined)
    expect((await registry.get('one')).isAlive).toBe(true)
  })

  it('drains, resumes and removes a host; a removed one renews nothing', async () => {
    const registry = await open(await openStore())
    const { secret } = await registry.add(host('one'))
    const joined = await registry.redeem({ name: 'one', secret, key: keyOf('a') })
    await registry.setDraining('one', true)
    expect((await registry.get('one')).state).toBe('Draining')
    await registry.setDraining('one', false)
    expect((await registry.get('one')).state).toBe('Ready')
    await registry.remove('one')
    await expect(registry.renew(joined)).rejects.toMatchObject({ code: 'HostNotAuthenticated' })
    await expect(registry.get('one')).rejects.toMatchObject({ code: 'HostNotFound', status: 404 })
    // The name is free, and the new host inherits nothing from the old one.
    await registry.add(host('one'))
    expect(await registry.get('one')).toMatchObject({ state: 'Invited', key: undefined, leaseUntil: undefined })
  })
})
