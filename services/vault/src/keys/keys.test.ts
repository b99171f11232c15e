import { createPrivateKey, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createSealer, systemClock, type Caller, type Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { createSoftwareKeystore } from '../keystore/software.ts'
import { openOperationLog } from '../log/open.ts'
import { migrations } from '../store/migrations.ts'
import { createTestVault, encodedPolicy, keyRequest, testVaultOf, type TestVault } from '../testing/test-vault.ts'
import { unwrapRelease } from '../testing/unwrap.ts'
import { Keys } from './keys.ts'
import { KeyRepository } from './repository.ts'

/** All bytes of a SQLite store; empty for Postgres, whose files are not readable here. */
function storedBytes(store: Store): Buffer {
  if (store.engine === 'postgres') return Buffer.alloc(0)
  const directory = store.url.slice('sqlite:'.length)
  return Buffer.concat(readdirSync(directory).map((name) => readFileSync(`${directory}/${name}`)))
}

describeStores('keys', (open) => {
  const started = async (): Promise<{ vault: TestVault; store: Store }> => {
    const store = await open()
    const vault = await createTestVault(store)
    await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest())
    return { vault, store }
  }
  const released = async (vault: TestVault): Promise<Buffer> => {
    const answer = await vault.call('orchestrator', 'POST', '/keys/vm-1/release', {
      target: vault.provider.token(vault.claims),
    })
    return unwrapRelease({ jws: answer.body.value, transferKey: vault.transferKey, caPem: vault.authority.caPem })
      .secret
  }

  it('are nowhere in the store in the clear, in whatever writing', async () => {
    const { vault, store } = await started()
    const { d, p, q } = createPrivateKey({ key: await released(vault), format: 'der', type: 'pkcs8' }).export({
      format: 'jwk',
    })
    const bytes = storedBytes(store)
    const rows = JSON.stringify(await store.db.selectFrom('key_version').selectAll().execute())
    for (const part of [d!, p!, q!]) {
      const raw = Buffer.from(part, 'base64url')
      const writings = [
        raw,
        Buffer.from(part),
        Buffer.from(raw.toString('base64').slice(0, 40)),
        Buffer.from(raw.toString('hex')),
      ]
      for (const writing of writings) expect(bytes.includes(writing)).toBe(false)
      expect(rows).not.toContain(part)
    }
    await vault.close()
  })

  it('survive a restart, and do not open under another master key', async () => {
    const store = await open()
    const sealer = createSealer(randomBytes(32))
    const first = await createTestVault(await open({ sameAs: store }), { sealer })
    await first.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest())
    const before = await released(first)
    await first.close()
    const second = await createTestVault(await open({ sameAs: store }), { sealer })
    expect(await released(second)).toEqual(before)
    expect(await second.service.verifyOperationLog()).toEqual({ entries: 3 })
    await second.close()
    await expect(createTestVault(store)).rejects.toThrow()
  })

  it('that are deleted can be recovered, and until then neither used nor made again', async () => {
    const { vault } = await started()
    const secret = await released(vault)
    const deleted = await vault.call('controlPlane', 'DELETE', '/keys/vm-1')
    expect(deleted.body).toMatchObject({ recoveryId: 'https://platform.vault.strongroom.internal/deletedkeys/vm-1' })
    expect(deleted.body.scheduledPurgeDate - deleted.body.deletedDate).toBe(90 * 24 * 3600)
    const target = vault.provider.token(vault.claims)
    expect((await vault.call('orchestrator', 'POST', '/keys/vm-1/release', { target })).status).toBe(404)
    expect((await vault.call('controlPlane', 'GET', '/keys/vm-1')).body.error.code).toBe('KeyNotFound')
    expect((await vault.call('controlPlane', 'GET', '/keys')).body.value).toEqual([])
    expect((await vault.call('controlPlane', 'GET', '/deletedkeys')).body.value).toMatchObject([
      { recoveryId: deleted.body.recoveryId },
    ])
    const again = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest())
    expect([again.status, again.body.error.code]).toEqual([409, 'Conflict'])
    expect((await vault.call('controlPlane', 'DELETE', '/keys/vm-1')).status).toBe(404)
    expect((await vault.call('controlPlane', 'POST', '/deletedkeys/vm-1/recover')).status).toBe(200)
    expect(await released(vault)).toEqual(secret)
    await vault.close()
  })

  it('that are purged are gone, their sealed material too (attack D12)', async () => {
    const { vault, store } = await started()
    const { material } = await store.db.selectFrom('key_version').select('material').executeTakeFirstOrThrow()
    const trace = Buffer.from((material as string).slice(100, 200))
    if (store.engine === 'sqlite') expect(storedBytes(store).includes(trace)).toBe(true)
    expect((await vault.call('controlPlane', 'DELETE', '/deletedkeys/vm-1')).status).toBe(404)
    await vault.call('controlPlane', 'DELETE', '/keys/vm-1')
    expect((await vault.call('controlPlane', 'DELETE', '/deletedkeys/vm-1')).status).toBe(204)
    expect((await vault.call('controlPlane', 'GET', '/deletedkeys/vm-1')).status).toBe(404)
    expect(await store.db.selectFrom('key_version').selectAll().execute()).toEqual([])
    expect(storedBytes(store).includes(trace)).toBe(false)
    expect((await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))).status).toBe(
      200,
    )
    await vault.close()
  })

  it('in the platform vault keep their release policy, also where their maker did not ask for it', async () => {
    const { vault } = await started()
    const request = keyRequest({ kty: 'EC-HSM' })
    await vault.call('controlPlane', 'POST', '/keys/vm-2/create', {
      ...request,
      release_policy: { data: request.release_policy!.data },
    })
    const wider = encodedPolicy({
      anyOf: [{ authority: 'https://a.attest.strongroom.internal', allOf: [{ claim: 'a', equals: 1 }] }],
    })
    const answer = await vault.call('controlPlane', 'PATCH', '/keys/vm-2', { release_policy: { data: wider } })
    expect(answer.body.error.message).toBe('AKV.SKR.1020: Immutable Key Release Policy cannot be modified.')
    expect((await vault.call('controlPlane', 'GET', '/keys/vm-2')).body.release_policy).toMatchObject({
      data: request.release_policy!.data,
      immutable: true,
    })
    await vault.close()
  })

  it('take new attributes and tags, but stay exportable or not', async () => {
    const { vault } = await started()
    const patched = await vault.call('controlPlane', 'PATCH', '/keys/vm-1', {
      attributes: { enabled: false, exp: 4e9 },
      tags: { a: 'b' },
    })
    expect(patched.body).toMatchObject({ attributes: { enabled: false, exp: 4e9, exportable: true }, tags: { a: 'b' } })
    const answer = await vault.call('controlPlane', 'PATCH', '/keys/vm-1', { attributes: { exportable: false } })
    expect(answer.body.error.message).toContain('AKV.SKR.1014')
    await vault.call('controlPlane', 'POST', '/keys/plain/create', { kty: 'EC' })
    const policy = await vault.call('controlPlane', 'PATCH', '/keys/plain', {
      release_policy: keyRequest().release_policy,
    })
    expect(policy.body.error.message).toContain('AKV.SKR.1005')
    await vault.close()
  })

  it('made under one name at once are all versions of it', async () => {
    const { vault } = await started()
    const made = await Promise.all(
      Array.from({ length: 8 }, () => vault.call('controlPlane', 'POST', '/keys/many/create', { kty: 'EC' })),
    )
    expect(made.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200))
    expect((await vault.call('controlPlane', 'GET', '/keys/many/versions')).body.value).toHaveLength(8)
    await vault.close()
  })

  it('of 3072 bits are made while other requests are answered', async () => {
    const { vault } = await started()
    const order: string[] = []
    const making = Promise.all(
      Array.from({ length: 3 }, () =>
        vault.call('controlPlane', 'POST', '/keys/big/create', keyRequest({ key_size: 3072 })),
      ),
    ).then(() => order.push('made'))
    await vault.call('controlPlane', 'GET', '/keys/vm-1')
    order.push('answered')
    await making
    expect(order).toEqual(['answered', 'made'])
    await vault.close()
  })

  const caller: Caller = { objectId: 'o', appId: 'a', tenantId: 't', claims: {} }
  const parts = async (): Promise<{ keys: Keys; repository: KeyRepository; set: (date: Date) => void }> => {
    const store = await open()
    await store.migrate('vault', migrations)
    let now = systemClock.now()
    const clock = { now: () => now }
    const repository = new KeyRepository(store)
    const keystore = createSoftwareKeystore(createSealer(randomBytes(32)))
    const log = await openOperationLog({ store, clock, sealer: createSealer(randomBytes(32)) })
    return { keys: new Keys({ store, repository, keystore, log, clock }), repository, set: (date) => void (now = date) }
  }

  it('with a policy that may change take another one and stay usable under it', async () => {
    const { keys } = await parts()
    const place = { vault: testVaultOf('kv1'), name: 'k' }
    const mutable = { ...keyRequest({ kty: 'EC-HSM' }).release_policy!, immutable: false }
    await keys.create(caller, place, keyRequest({ kty: 'EC-HSM', release_policy: mutable }))
    const data = encodedPolicy({
      anyOf: [{ authority: 'https://a.attest.strongroom.internal', allOf: [{ claim: 'a', equals: 1 }] }],
    })
    const changed = await keys.update(caller, place, undefined, { release_policy: { data, immutable: true } })
    expect(changed.policy).toMatchObject({ data, immutable: true })
    expect((await keys.get(place)).policy?.data).toBe(data)
    await expect(keys.update(caller, place, undefined, { release_policy: mutable })).rejects.toMatchObject({
      code: 'BadParameter',
    })
  })

  it('are purged when their time of recovery is over, and not before', async () => {
    const { keys, set } = await parts()
    const place = { vault: testVaultOf('kv1'), name: 'k' }
    await keys.create(caller, place, { kty: 'EC' })
    const { purgeAt } = await keys.delete(caller, place)
    set(new Date((purgeAt - 1) * 1000))
    expect(await keys.purgeDue()).toBe(0)
    set(new Date(purgeAt * 1000))
    expect(await keys.purgeDue()).toBe(1)
    await expect(keys.getDeleted(place)).rejects.toMatchObject({ code: 'KeyNotFound' })
  })
})
