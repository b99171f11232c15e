import { onBehalfOfClaim, onBehalfOfHeader } from '@strongroom/contract'
import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it, vi } from 'vitest'
import type { LogEntry } from '../log/entry.ts'
import { loggedIn } from '../testing/logged.ts'
import { startTenant } from '../testing/tenant.ts'
import { TestHsm } from '../testing/test-hsm.ts'
import {
  adminGrant,
  createTestVault,
  keyRequest,
  principalIds,
  vaultDefinition,
  type Principal,
} from '../testing/test-vault.ts'

/** As the control plane sends it: bob's request, from his client. */
const bob = { objectId: principalIds.bob, appId: 'bob-app' }
const saysBob = { [onBehalfOfHeader]: `${bob.objectId} ${bob.appId}` }
const via = (principal: Principal): NonNullable<LogEntry['via']> => ({
  service: 'control-plane',
  objectId: principalIds[principal],
  appId: `${principal}-app`,
})
const askedByBob = { ...bob, via: via('controlPlane') }
const askedByNobody = { objectId: 'control-plane', appId: 'control-plane', via: via('controlPlane') }
const kv1 = 'kv1.vault.strongroom.internal'

async function whoDid(store: Store, vault: string): Promise<Record<string, unknown>> {
  const entries = await loggedIn(store, vault)
  return Object.fromEntries(
    entries.map(({ operation, objectId, appId, via: through }) => [
      operation,
      { objectId, appId, ...(through && { via: through }) },
    ]),
  )
}

describeStores('who asked, in the operation log', (open) => {
  it('is the user where the control plane calls for one, and it says that it came through it', async () => {
    const store = await open()
    const vault = await createTestVault(store)
    const ask = (method: 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<unknown> =>
      vault.manage('controlPlane', method, path, body, saysBob)
    await ask('PUT', '/vaults/kv1', vaultDefinition('kv1'))
    await ask(
      'PUT',
      '/vaults/kv1',
      vaultDefinition('kv1', { networkRules: { bypass: 'None', defaultAction: 'Deny', ipRules: [] } }),
    )
    await ask('DELETE', '/vaults/kv1')
    await ask('POST', '/deletedvaults/kv1/recover')
    await ask('DELETE', '/vaults/kv1')
    await ask('DELETE', '/deletedvaults/kv1')
    const operations = ['create', 'update', 'delete', 'recover', 'purge'].map((name) => `vault/${name}`)
    expect(await whoDid(store, 'kv1')).toEqual(Object.fromEntries(operations.map((name) => [name, askedByBob])))

    const hsm = {
      resourceId: '/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/managedHSMs/pool',
      location: 'westeurope',
      tenantId: vaultDefinition('pool').tenantId,
      initialAdminObjectIds: [principalIds.owner],
      softDeleteRetentionInDays: 7,
      enablePurgeProtection: false,
      tags: {},
    }
    await ask('PUT', '/managedhsms/pool', hsm)
    await ask('DELETE', '/managedhsms/pool')
    expect(await whoDid(store, 'pool.managedhsm')).toEqual({ 'hsm/create': askedByBob, 'hsm/delete': askedByBob })

    const host = 'platform.vault.strongroom.internal'
    await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }), host, saysBob)
    await vault.call('controlPlane', 'DELETE', '/keys/vm-1', undefined, host, saysBob)
    expect(await whoDid(store, 'platform')).toEqual({ create: askedByBob, delete: askedByBob })
    expect((await vault.service.verifyOperationLog()).broken).toBeUndefined()
    await vault.close()
  })

  it('is nobody where the control plane or the vault acts on its own, also on what a user began', async () => {
    const store = await open()
    const vault = await createTestVault(store)
    await vault.manage('controlPlane', 'PUT', '/vaults/kv1', vaultDefinition('kv1'), saysBob)
    await vault.putVault('kv1', { grants: [adminGrant('alice')] })
    expect((await whoDid(store, 'kv1'))['vault/update']).toEqual(askedByNobody)
    await vault.manage('controlPlane', 'DELETE', '/vaults/kv1', undefined, saysBob)
    vault.clock.set(new Date(Date.now() + 91 * 24 * 3600_000))
    await vault.service.start()
    await vi.waitFor(async () => expect((await loggedIn(store, 'kv1')).at(-1)?.operation).toBe('vault/purge'), 60_000)
    expect((await whoDid(store, 'kv1'))['vault/purge']).toEqual({ objectId: 'vault', appId: 'vault' })
    await vault.close()
  })

  it('is not for anybody else to say: the header is refused, does nothing, and names nobody', async () => {
    const store = await open()
    const { vault } = await startTenant(store)
    const before = JSON.stringify([await loggedIn(store, 'kv1'), await loggedIn(store)])
    for (const principal of ['alice', 'owner', 'orchestrator'] as const) {
      const refused = await vault.call(principal, 'POST', '/keys/k/create', { kty: 'EC' }, kv1, saysBob)
      expect([refused.status, refused.body.error.code, refused.body.error.target]).toEqual([
        403,
        'Forbidden',
        onBehalfOfHeader,
      ])
      expect(refused.body.error.innererror.found).toBe(principalIds[principal])
      const managed = await vault.manage(principal, 'PUT', '/vaults/kv2', vaultDefinition('kv2'), saysBob)
      expect([managed.status, managed.body.error.code]).toEqual([403, 'Forbidden'])
    }
    const hsm = new TestHsm(vault, 'pool', store)
    await hsm.create()
    const atHsm = await vault.call('owner', 'GET', '/keys', undefined, 'pool.managedhsm.strongroom.internal', saysBob)
    expect([atHsm.status, atHsm.body.error.target]).toEqual([403, onBehalfOfHeader])
    // Without a token, or with a bad one, it has no effect either.
    expect((await vault.call(undefined, 'GET', '/keys', undefined, kv1, saysBob)).status).toBe(401)
    expect((await vault.call('bobby' as Principal, 'GET', '/keys', undefined, kv1, saysBob)).status).toBe(401)
    expect(JSON.stringify([await loggedIn(store, 'kv1'), await loggedIn(store)])).toBe(before)
    await vault.close()
  })

  it('gives the control plane no right: what it may do is what its own token may do', async () => {
    const store = await open()
    const { vault } = await startTenant(store)
    const saysAlice = { [onBehalfOfHeader]: `${principalIds.alice} alice-app` }
    const refused = await vault.call('controlPlane', 'POST', '/keys/k/create', { kty: 'EC' }, kv1, saysAlice)
    expect([refused.status, refused.body.error.code]).toEqual([403, 'Forbidden'])
    expect((await loggedIn(store, 'kv1')).at(-1)).toMatchObject({
      operation: 'create',
      verdict: 'refused',
      objectId: principalIds.alice,
      via: via('controlPlane'),
    })
    await vault.close()
  })

  it('has one form; a control plane that says it in another is refused and does nothing', async () => {
    const store = await open()
    const vault = await createTestVault(store)
    for (const text of ['', bob.objectId, `${bob.objectId} a b`, `${bob.objectId} "}`, `${'a'.repeat(65)} b`, ' ']) {
      const definition = vaultDefinition('kv1')
      const refused = await vault.manage('controlPlane', 'PUT', '/vaults/kv1', definition, { [onBehalfOfHeader]: text })
      expect([text, refused.status, refused.body.error.code]).toEqual([text, 400, 'BadParameter'])
    }
    expect((await vault.manage('controlPlane', 'GET', '/vaults/kv1')).status).toBe(404)
    await vault.close()
  })

  it('is in the claim of a token by which the control plane acts as an identity, whose rights count', async () => {
    const store = await open()
    const claims = {
      alice: { [onBehalfOfClaim]: `${bob.objectId} ${bob.appId}` },
      owner: { [onBehalfOfClaim]: { objectId: 'x' } },
    }
    const { vault, ok } = await startTenant(store, { claims })
    await ok('POST', '/keys/k/create', { kty: 'EC' })
    expect((await whoDid(store, 'kv1'))['create']).toEqual({ ...bob, via: via('alice') })
    // Bob has no rights of his own, and gains none by being named.
    expect((await vault.call('bob', 'POST', '/keys/k/create', { kty: 'EC' }, kv1)).status).toBe(403)
    const odd = await vault.call('owner', 'GET', '/operationlog/checkpoint', undefined, kv1)
    expect([odd.status, odd.body.error.code]).toEqual([400, 'BadParameter'])
    await vault.close()
  })
})
