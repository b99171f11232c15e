import { tmpdir } from 'node:os'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { loggedIn } from '../testing/logged.ts'
import { TestHsm } from '../testing/test-hsm.ts'
import { adminGrant, createTestVault, keyRequest, principalIds } from '../testing/test-vault.ts'
import { startTenant } from '../testing/tenant.ts'
import { azureVaultRates } from './rate-limits.ts'

const rates = {
  windowSeconds: 10,
  keyCreations: 2,
  keyOperations: 4,
  secretCreations: 1,
  secretOperations: 3,
  refusals: 2,
}

describeStores('rates', (open) => {
  it('refuse what is beyond them with the time to wait, each kind and each vault for itself (attack Q11)', async () => {
    const { vault, send } = await startTenant(await open(), { rates })
    await vault.putVault('kv2', { grants: [adminGrant('alice')] })
    vault.clock.set(new Date('2026-11-25T12:00:03.500Z'))
    const many = async (count: number, path: string, body?: object): Promise<number[]> => {
      const answers: number[] = []
      for (let index = 0; index < count; index++) answers.push((await send(body ? 'POST' : 'GET', path, body)).status)
      return answers
    }
    expect(await many(3, '/keys/k/create', { kty: 'EC' })).toEqual([200, 200, 429])
    expect(await many(5, '/keys')).toEqual([200, 200, 200, 200, 429])
    expect(await many(4, '/secrets')).toEqual([200, 200, 200, 429])
    const set = (): Promise<{ status: number }> => send('PUT', '/secrets/s', { value: 'v' })
    expect([(await set()).status, (await set()).status]).toEqual([200, 429])
    const refused = await send('GET', '/keys')
    expect(refused.headers['retry-after']).toBe('7')
    expect(refused.body.error).toMatchObject({
      code: 'Throttled',
      message:
        'Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached',
    })
    expect((await vault.call('alice', 'GET', '/keys', undefined, 'kv2.vault.strongroom.internal')).status).toBe(200)
    vault.clock.set(new Date('2026-11-25T12:00:10.000Z'))
    expect((await send('GET', '/keys')).status).toBe(200)
    await vault.close()
  })

  it('are not used up by strangers, whose refusals end in 429 without an entry (attack Q11)', async () => {
    const store = await open()
    const { vault, send } = await startTenant(store, { rates })
    const asked: number[] = []
    for (let index = 0; index < 6; index++) asked.push((await send('GET', '/keys', undefined, 'bob')).status)
    expect(asked).toEqual([403, 403, 429, 429, 429, 429])
    expect((await loggedIn(store, 'kv1')).filter(({ verdict }) => verdict === 'refused')).toHaveLength(2)
    expect((await send('GET', '/keys')).status).toBe(200)
    await vault.close()
  })

  it('of one stranger have few entries in an hour, and the next one counts those without (attack W51)', async () => {
    const store = await open()
    const { vault, send } = await startTenant(store, { rates: { ...rates, refusals: 1_000 } })
    const refused = async (): Promise<[string, number | undefined][]> =>
      (await loggedIn(store, 'kv1'))
        .filter(({ verdict }) => verdict === 'refused')
        .map(({ objectId, leftOut }) => [objectId, leftOut])
    const ask = async (as: 'bob' | 'orchestrator'): Promise<number> =>
      (await send('GET', '/keys', undefined, as)).status
    for (let index = 0; index < 60; index++) expect(await ask('bob')).toBe(403)
    expect(await refused()).toHaveLength(50)
    // Of another caller, and after the hour, with what was left out.
    expect(await ask('orchestrator')).toBe(403)
    vault.clock.set(new Date(vault.clock.now().getTime() + 3_600_000))
    for (let index = 0; index < 2; index++) expect(await ask('bob')).toBe(403)
    const { bob, orchestrator } = principalIds
    expect((await refused()).slice(50)).toEqual([
      [orchestrator, undefined],
      [bob, 10],
      [bob, undefined],
    ])
    // The platform's vault has no rates: its hosts must not be throttled.
    const platform = 'platform.vault.strongroom.internal'
    for (let index = 0; index < 60; index++)
      expect((await vault.call('bob', 'GET', '/keys', undefined, platform)).status).toBe(403)
    expect((await loggedIn(store)).filter(({ objectId }) => objectId === bob)).toHaveLength(50)
    await vault.close()
  })

  it('bound what strangers write into the log of a managed HSM (attack Q11)', async () => {
    const store = await open()
    const hsm = new TestHsm(await createTestVault(store, { rates, stateDir: tmpdir() }), 'hsm1', store)
    expect((await hsm.create()).status).toBe(201)
    const asked: number[] = []
    for (let index = 0; index < 5; index++) {
      asked.push((await hsm.as('bob', 'POST', '/securitydomain/download', {})).status)
    }
    expect(asked).toEqual([403, 403, 429, 429, 429])
    const refused = (await loggedIn(store, 'hsm1.managedhsm')).filter(({ verdict }) => verdict === 'refused')
    expect(refused).toHaveLength(2)
    expect((await hsm.download()).status).toBe(202)
    await hsm.vault.close()
  })

  it('leave the platform’s keys alone: no tenant can keep a host from booting', async () => {
    const { vault, send } = await startTenant(await open(), { rates })
    for (let index = 0; index < 9; index++) await send('GET', '/keys')
    for (let index = 0; index < 5; index++) {
      const path = `/keys/vm-${index}/create`
      expect((await vault.call('controlPlane', 'POST', path, keyRequest({ kty: 'EC-HSM' }))).status).toBe(200)
    }
    await vault.close()
  })

  it('are none unless they are asked for', async () => {
    const { vault, send } = await startTenant(await open())
    for (let index = 0; index < azureVaultRates.keyCreations + 5; index++) {
      expect((await send('POST', '/keys/k/create', { kty: 'EC' })).status).toBe(200)
    }
    await vault.close()
  })
})
