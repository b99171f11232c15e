import { createSealer, type Clock, type Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { expect, it } from 'vitest'
import { sharedProvider } from '../providers/providers.ts'
import { migrations } from '../store/migrations.ts'
import { TokenIssuer } from '../tokens/token.ts'
import { longestTokenLifeMs, signingLifeMs, SigningKeys } from './signing-keys.ts'

const provider = sharedProvider
const sealer = createSealer(new Uint8Array(32).fill(3))

async function open(store: Store, clock: Clock = { now: () => new Date() }): Promise<SigningKeys> {
  await store.migrate('attestation', migrations)
  return new SigningKeys({ store, sealer, clock })
}

describeStores('signing keys', (openStore) => {
  it('stay the same over a restart', async () => {
    const store = await openStore()
    const first = await (await open(store)).current(provider)
    const again = await (await open(store)).current(provider)
    expect(again.kid).toBe(first.kid)
  })

  it('are one, when several processes start at once', async () => {
    const store = await openStore()
    const one = await open(store)
    const two = await open(await openStore({ sameAs: store }))
    const made = await Promise.all([one.current(provider), two.current(provider)])
    expect(made[0]!.kid).toBe(made[1]!.kid)
    expect(await one.published(provider)).toHaveLength(1)
  })

  it('lie sealed in the store, and open under no other master key', async () => {
    const store = await openStore()
    await (await open(store)).current(provider)
    const stranger = new SigningKeys({
      store,
      sealer: createSealer(new Uint8Array(32).fill(4)),
      clock: { now: () => new Date() },
    })
    await expect(stranger.current(provider)).rejects.toThrow()
    const row = await store.db.selectFrom('signing_key').selectAll().executeTakeFirstOrThrow()
    expect(Buffer.from(row.sealed as string, 'base64url').includes(Buffer.from('2a864886f70d010101', 'hex'))).toBe(
      false,
    )
  })

  it('are renewed at their age, by one of several processes', async () => {
    const store = await openStore()
    let now = Date.now()
    const clock = { now: () => new Date(now) }
    const [one, two] = [await open(store, clock), await open(await openStore({ sameAs: store }), clock)]
    const { kid } = await one.current(provider)
    now += signingLifeMs - 1000
    expect(await one.renew(provider)).toBe(false)
    now += 2000
    await Promise.all([one.renew(provider), two.renew(provider)])
    const published = await one.published(provider)
    expect(published).toHaveLength(2)
    expect(published[1]!.kid).toBe(kid)
    expect(published[0]!.kid).not.toBe(kid)
    expect((await two.current(provider)).kid).toBe(published[0]!.kid)
    expect(await two.renew(provider)).toBe(false)
  })

  it('verify tokens from before a rotation until the last of them has expired', async () => {
    const store = await openStore()
    let now = Date.now()
    const clock = { now: () => new Date(now) }
    const keys = await open(store, clock)
    const tokens = new TokenIssuer({ keys, clock })
    const old = await tokens.sign(provider, {})
    await keys.rotate(provider)
    const fresh = await tokens.sign(provider, {})
    const set = createLocalJWKSet({ keys: (await keys.published(provider)).map((key) => ({ ...key })) })
    await jwtVerify(old.token, set)
    await jwtVerify(fresh.token, set)
    expect((await keys.published(provider))[0]!.kid).toBe((await keys.current(provider)).kid)
    now += longestTokenLifeMs + 1000
    expect(await keys.published(provider)).toHaveLength(1)
  })
})
