import { onBehalfOfHeader } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { loggedIn } from '../testing/logged.ts'
import { TestHsm } from '../testing/test-hsm.ts'
import {
  adminGrant,
  createTestVault,
  principalIds,
  vaultDefinition,
  type Answer,
  type TestVault,
} from '../testing/test-vault.ts'
import { azureVaultRates } from './rate-limits.ts'

const kv1 = 'kv1.vault.strongroom.internal'
const kv2 = 'kv2.vault.strongroom.internal'

describeStores('vaults of tenants', (open) => {
  const started = async (): Promise<TestVault> => createTestVault(await open())
  const statusOf = async (vault: TestVault, host: string): Promise<number> =>
    (await vault.call('alice', 'GET', '/keys', undefined, host)).status

  it('are there once the resource manager says so, and answer nobody before, when deleted, or to others', async () => {
    const vault = await started()
    expect(await statusOf(vault, kv1)).toBe(404)
    expect((await vault.putVault('kv1', { grants: [adminGrant('alice')] })).status).toBe(201)
    expect((await vault.putVault('kv1', { grants: [adminGrant('alice')] })).status).toBe(200)
    expect(await statusOf(vault, kv1)).toBe(200)
    for (const principal of ['bob', 'owner', 'controlPlane', 'orchestrator'] as const) {
      const refused = await vault.call(principal, 'GET', '/keys', undefined, kv1)
      expect([refused.status, refused.body.error.innererror.code]).toEqual([403, 'ForbiddenByRbac'])
    }
    const deleted = await vault.manage('controlPlane', 'DELETE', '/vaults/kv1')
    const days = (Date.parse(deleted.body.scheduledPurgeDate) - Date.parse(deleted.body.deletionDate)) / 86_400_000
    expect(days).toBe(90)
    expect(await statusOf(vault, kv1)).toBe(404)
    expect((await vault.putVault('kv1')).status).toBe(409)
    expect((await vault.manage('controlPlane', 'GET', '/availability/kv1')).body).toMatchObject({
      nameAvailable: false,
      reason: 'AlreadyExists',
    })
    expect((await vault.manage('controlPlane', 'POST', '/deletedvaults/kv1/recover')).status).toBe(200)
    expect(await statusOf(vault, kv1)).toBe(200)
    await vault.close()
  })

  it('are managed by the resource manager alone', async () => {
    const vault = await started()
    await vault.putVault('kv1')
    for (const principal of ['owner', 'alice', 'orchestrator'] as const) {
      for (const [method, path] of [
        ['PUT', '/vaults/kv1'],
        ['GET', '/vaults/kv1'],
        ['DELETE', '/vaults/kv1'],
        ['GET', '/deletedvaults'],
        ['DELETE', '/deletedvaults/kv1'],
      ] as const) {
        const answer = await vault.manage(principal, method, path, vaultDefinition('kv1'))
        expect([principal, path, answer.status]).toEqual([principal, path, 403])
      }
    }
    expect((await vault.manage(undefined, 'GET', '/vaults/kv1')).status).toBe(401)
    await vault.close()
  })

  it('keep their names: nobody takes another’s, or the platform’s', async () => {
    const vault = await started()
    await vault.putVault('kv1', { grants: [adminGrant('alice')] })
    const other = vaultDefinition('kv1', { resourceId: '/subscriptions/s/resourceGroups/evil/providers/x/vaults/kv1' })
    const taken = await vault.manage('controlPlane', 'PUT', '/vaults/kv1', other)
    expect([taken.status, taken.body.error.code]).toEqual([409, 'VaultAlreadyExists'])
    const moved = { ...other, movedFrom: '/subscriptions/s/resourceGroups/none/providers/x/vaults/kv1' }
    expect((await vault.manage('controlPlane', 'PUT', '/vaults/kv1', moved)).status).toBe(409)
    const back = vaultDefinition('kv1')
    expect(
      (await vault.manage('controlPlane', 'PUT', '/vaults/kv1', { ...moved, movedFrom: back.resourceId })).status,
    ).toBe(200)
    expect((await vault.manage('controlPlane', 'PUT', '/vaults/kv1', back)).body.error.code).toBe('VaultAlreadyExists')
    for (const name of ['platform', 'PLATFORM']) {
      const refused = await vault.putVault(name)
      expect([name, refused.status, refused.body.error.code]).toEqual([name, 409, 'VaultAlreadyExists'])
      for (const method of ['GET', 'DELETE'] as const)
        expect((await vault.manage('controlPlane', method, `/vaults/${name}`)).status).toBe(404)
    }
    for (const name of ['ab', '1ab', 'a--b', 'a_b', 'x'.repeat(25), '..%2fplatform']) {
      const { status, body } = await vault.putVault(name)
      expect([name, status, body.error.code]).toEqual([name, 400, 'VaultNameNotValid'])
      expect(body.error.message).toContain(
        `The vault name '${decodeURIComponent(name)}' is invalid. A vault's name must be between 3-24 alphanumeric characters.`,
      )
    }
    expect((await vault.manage('controlPlane', 'GET', '/availability/platform')).body.nameAvailable).toBe(false)
    expect((await vault.manage('controlPlane', 'GET', '/availability/a--b')).body.reason).toBe('AccountNameInvalid')
    expect((await vault.manage('controlPlane', 'GET', '/availability/free1')).body).toEqual({ nameAvailable: true })
    await vault.close()
  })

  it('keep what was refused of them in their log, with who asked; what is not there gets none', async () => {
    const store = await open()
    const vault = await createTestVault(store, { rates: { ...azureVaultRates, refusals: 4 } })
    const says = { [onBehalfOfHeader]: `${principalIds.bob} bob-app` }
    const ask = (method: 'PUT' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<Answer> =>
      vault.manage('controlPlane', method, path, body, says)
    const kept = { enablePurgeProtection: true }
    await ask('PUT', '/vaults/Kv1', vaultDefinition('kv1', kept))
    const refusals = [
      await ask('PUT', '/vaults/Kv1', vaultDefinition('kv1')),
      await ask('PUT', '/vaults/kv1', vaultDefinition('kv1', { resourceId: '/subscriptions/s/x' })),
    ]
    await ask('DELETE', '/vaults/kv1')
    refusals.push(
      await ask('DELETE', '/deletedvaults/kv1'),
      await ask('PUT', '/vaults/kv1', vaultDefinition('kv1', kept)),
    )
    expect(refusals.map(({ status }) => status)).toEqual([400, 409, 405, 409])
    const logged = (await loggedIn(store, 'kv1')).filter(({ verdict }) => verdict === 'refused')
    expect(logged.map(({ operation, code }) => `${operation} ${code}`)).toEqual([
      'vault/update BadParameter',
      'vault/update VaultAlreadyExists',
      'vault/purge MethodNotAllowed',
      'vault/update ConflictError',
    ])
    expect(logged.every((entry) => entry.objectId === principalIds.bob && entry.via?.service === 'control-plane')).toBe(
      true,
    )
    // Beyond the refusal rate, it stops growing.
    expect((await ask('DELETE', '/deletedvaults/kv1')).status).toBe(429)
    expect((await loggedIn(store, 'kv1')).filter(({ verdict }) => verdict === 'refused')).toHaveLength(4)

    const pool = new TestHsm(vault, 'Pool', store)
    await pool.create({ enablePurgeProtection: true })
    expect((await pool.create()).status).toBe(400)
    await ask('DELETE', '/managedhsms/pool')
    expect((await ask('DELETE', '/deletedmanagedhsms/pool')).status).toBe(409)
    expect(
      (await loggedIn(store, 'pool.managedhsm')).map(({ operation, verdict }) => `${operation} ${verdict}`),
    ).toEqual(['hsm/create allowed', 'hsm/update refused', 'hsm/delete allowed', 'hsm/purge refused'])

    const known = JSON.stringify(await loggedIn(store))
    for (const name of ['none', 'platform', 'a--b'])
      for (const path of [`/vaults/${name}`, `/deletedvaults/${name}`, `/managedhsms/${name}`])
        expect((await ask('DELETE', path)).status).toBeGreaterThan(399)
    expect((await ask('PUT', '/vaults/platform', {})).status).toBe(409)
    expect(await loggedIn(store, 'none')).toEqual([])
    expect(JSON.stringify(await loggedIn(store))).toBe(known)
    await vault.close()
  })

  it('are apart: a right in one is none in the other, and the same name is another key', async () => {
    const vault = await started()
    await vault.putVault('kv1', { grants: [adminGrant('alice')] })
    await vault.putVault('kv2', { grants: [adminGrant('bob')] })
    const mine = await vault.call('alice', 'POST', '/keys/k/create', { kty: 'EC' }, kv1)
    const theirs = await vault.call('bob', 'POST', '/keys/k/create', { kty: 'EC' }, kv2)
    expect(mine.body.key.kid).toMatch(/^https:\/\/kv1\.vault\.strongroom\.internal\/keys\/k\//)
    expect(mine.body.key.x).not.toBe(theirs.body.key.x)
    expect((await vault.call('alice', 'GET', '/keys/k', undefined, kv2)).status).toBe(403)
    const version = (theirs.body.key.kid as string).split('/').at(-1)!
    expect((await vault.call('alice', 'GET', `/keys/k/${version}`, undefined, kv1)).status).toBe(404)
    await vault.close()
  })

  it('give by roles exactly what the role’s data actions say, on the object that the assignment is for', async () => {
    const vault = await started()
    const action = (name: string): string => `Microsoft.KeyVault/vaults/${name}`
    const grant = {
      principalId: principalIds.bob,
      object: '',
      dataActions: [] as string[],
      notDataActions: [] as string[],
    }
    await vault.putVault('kv1', {
      grants: [
        adminGrant('alice'),
        { ...grant, object: 'keys/one', dataActions: [action('keys/read'), action('keys/sign/action')] },
        { ...grant, dataActions: [action('secrets/*')], notDataActions: [action('secrets/getSecret/action')] },
      ],
    })
    for (const name of ['one', 'two']) await vault.call('alice', 'POST', `/keys/${name}/create`, { kty: 'EC' }, kv1)
    const sign = { alg: 'ES256', value: Buffer.alloc(32).toString('base64url') }
    const status = async (method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<number> =>
      (await vault.call('bob', method, path, body, kv1)).status
    expect(await status('GET', '/keys/ONE')).toBe(200)
    expect(await status('POST', '/keys/one/sign', sign)).toBe(200)
    expect(await status('DELETE', '/keys/one')).toBe(403)
    expect(await status('GET', '/keys/two')).toBe(403)
    expect(await status('POST', '/keys/two/sign', sign)).toBe(403)
    expect(await status('GET', '/keys')).toBe(403)
    expect(await status('PUT', '/secrets/s', { value: 'v' })).toBe(200)
    expect(await status('GET', '/secrets/s')).toBe(403)
    expect(await status('GET', '/secrets')).toBe(200)
    await vault.putVault('kv1', { grants: [adminGrant('alice')] })
    expect(await status('GET', '/keys/one')).toBe(403)
    await vault.close()
  })

  it('give by access policies only what the list of their kind says, and nothing under roles', async () => {
    const vault = await started()
    const policy = {
      tenantId: vaultDefinition('kv1').tenantId,
      objectId: principalIds.alice,
      permissions: { keys: ['create', 'list', 'wrapkey'], secrets: ['all'], certificates: [], storage: [] },
    }
    const byPolicy = { enableRbacAuthorization: false, accessPolicies: [policy], grants: [adminGrant('bob')] }
    await vault.putVault('kv1', byPolicy)
    expect((await vault.call('alice', 'POST', '/keys/k/create', { kty: 'RSA' }, kv1)).status).toBe(200)
    expect(await statusOf(vault, kv1)).toBe(200)
    const refused = await vault.call('alice', 'GET', '/keys/k', undefined, kv1)
    expect([refused.status, refused.body.error.innererror.code]).toEqual([403, 'AccessDenied'])
    expect(refused.body.error.message).toContain(
      "does not have keys get permission on key vault 'kv1;location=westeurope'",
    )
    expect((await vault.call('alice', 'PUT', '/secrets/s', { value: 'v' }, kv1)).status).toBe(200)
    expect((await vault.call('bob', 'GET', '/keys', undefined, kv1)).status).toBe(403)
    const forOther = { ...policy, applicationId: principalIds.bob }
    await vault.putVault('kv1', { ...byPolicy, accessPolicies: [forOther] })
    expect(await statusOf(vault, kv1)).toBe(403)
    await vault.putVault('kv1', { ...byPolicy, enableRbacAuthorization: true })
    expect(await statusOf(vault, kv1)).toBe(403)
    await vault.close()
  })

  it('let nobody in by the network who is not let in, the platform excepted where bypassed', async () => {
    const vault = await started()
    const grants = [adminGrant('alice'), adminGrant('orchestrator')]
    const code = async (as: 'alice' | 'orchestrator'): Promise<string> => {
      const answer = await vault.call(as, 'GET', '/keys', undefined, kv1)
      return answer.status === 200 ? 'in' : answer.body.error.innererror.code
    }
    await vault.putVault('kv1', { grants, publicNetworkAccess: 'Disabled' })
    expect([await code('alice'), await code('orchestrator')]).toEqual(['ForbiddenByConnection', 'in'])
    const rules = (ipRules: string[], bypass: 'AzureServices' | 'None' = 'None'): object => ({
      networkRules: { bypass, defaultAction: 'Deny', ipRules },
    })
    await vault.putVault('kv1', { grants, ...rules(['203.0.113.0/24']) })
    expect([await code('alice'), await code('orchestrator')]).toEqual(['ForbiddenByFirewall', 'ForbiddenByFirewall'])
    await vault.putVault('kv1', { grants, ...rules(['203.0.113.0/24', '127.0.0.0/8']) })
    expect(await code('alice')).toBe('in')
    expect((await vault.putVault('kv1', rules(['not an address']) as never)).status).toBe(400)
    await vault.close()
  })

  it('hold purge protection against everyone, also against the resource manager', async () => {
    const vault = await started()
    await vault.putVault('kv1', {
      grants: [adminGrant('alice')],
      enablePurgeProtection: true,
      softDeleteRetentionInDays: 7,
    })
    const made = await vault.call('alice', 'POST', '/keys/k/create', { kty: 'EC' }, kv1)
    expect(made.body.attributes).toMatchObject({ recoveryLevel: 'CustomizedRecoverable', recoverableDays: 7 })
    await vault.call('alice', 'DELETE', '/keys/k', undefined, kv1)
    const refused = await vault.call('alice', 'DELETE', '/deletedkeys/k', undefined, kv1)
    expect([refused.status, refused.body.error.innererror.code]).toEqual([403, 'ForbiddenByPolicy'])
    const off = await vault.putVault('kv1', { enablePurgeProtection: false, softDeleteRetentionInDays: 7 })
    expect([off.status, off.body.error.target]).toEqual([400, 'enablePurgeProtection'])
    await vault.manage('controlPlane', 'DELETE', '/vaults/kv1')
    expect((await vault.manage('controlPlane', 'DELETE', '/deletedvaults/kv1')).status).toBe(405)
    expect((await vault.manage('controlPlane', 'POST', '/deletedvaults/kv1/recover')).status).toBe(200)
    await vault.close()
  })

  it('take everything with them when they are purged', async () => {
    const vault = await started()
    const define = (): Promise<unknown> => vault.putVault('kv1', { grants: [adminGrant('alice')] })
    await define()
    await vault.call('alice', 'POST', '/keys/k/create', { kty: 'EC' }, kv1)
    await vault.call('alice', 'PUT', '/secrets/s', { value: 'v' }, kv1)
    await vault.manage('controlPlane', 'DELETE', '/vaults/kv1')
    expect((await vault.manage('controlPlane', 'DELETE', '/deletedvaults/kv1')).status).toBe(204)
    await define()
    expect((await vault.call('alice', 'GET', '/keys', undefined, kv1)).body.value).toEqual([])
    expect((await vault.call('alice', 'GET', '/secrets/s', undefined, kv1)).status).toBe(404)
    await vault.close()
  })

  it('refuse a definition that is not whole, with the place', async () => {
    const vault = await started()
    const guid = '5a1e0000-0000-4000-8000-000000000001'
    const each: [object, string][] = [
      [{ sku: 'basic' }, 'sku'],
      [{ enableRbacAuthorization: 'true' }, 'enableRbacAuthorization'],
      [{ softDeleteRetentionInDays: 6 }, 'softDeleteRetentionInDays'],
      [{ grants: [{ ...adminGrant('alice'), dataActions: '*' }] }, 'grants[0].dataActions'],
      [{ grants: [{ ...adminGrant('alice'), object: '../x' }] }, 'grants[0].object'],
      [{ accessPolicies: [{ objectId: 'x' }] }, 'accessPolicies[0].tenantId'],
      [{ accessPolicies: [{ tenantId: guid, objectId: guid }] }, 'accessPolicies[0].permissions.keys'],
      [
        { networkRules: { bypass: 'None', defaultAction: 'Deny', ipRules: ['203.0.113.0/64'] } },
        'networkRules.ipRules[0]',
      ],
      [{ debug: true }, 'debug'],
      [{ publicNetworkAccess: 'enabled' }, 'publicNetworkAccess'],
    ]
    for (const [change, target] of each) {
      const answer = await vault.putVault('kv1', change)
      expect([answer.status, answer.body.error.target]).toEqual([400, target])
    }
    expect(await statusOf(vault, kv1)).toBe(404)
    await vault.close()
  })
})
