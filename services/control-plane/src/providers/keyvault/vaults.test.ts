import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { roles } from '../../arm/access.ts'
import { openSqlitePlane } from '../../testing/sqlite-plane.ts'
import { group, ownerId, subscriptionId, tenantId, type Loose, type TestReply } from '../../testing/test-plane.ts'

const alice = '0f2a9f3e-0000-4000-8000-00000000dddd'
const vaultPath = (name: string): string => `${group}/providers/Microsoft.KeyVault/vaults/${name}`
const provider = `/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault`
/** As `az keyvault create` sends it. */
const request = (o: object = {}): Loose => ({
  location: 'westeurope',
  tags: { a: 'b' },
  properties: {
    tenantId,
    sku: { family: 'A', name: 'premium' },
    accessPolicies: [],
    enableRbacAuthorization: true,
    enableSoftDelete: true,
    softDeleteRetentionInDays: 90,
    networkAcls: null,
    ...o,
  },
})

describe('vaults as resources', () => {
  let plane: Awaited<ReturnType<typeof openSqlitePlane>>
  beforeAll(async () => {
    plane = await openSqlitePlane()
    await plane.send('PUT', group, { location: 'westeurope' })
  })
  afterAll(() => plane?.close())

  const assignment = (role: string, scope: string): { path: string; body: Loose } => ({
    path: `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`,
    body: {
      properties: {
        principalId: alice,
        roleDefinitionId: `/x/${roles.find(({ name }) => name === role)!.id}`,
        principalType: 'ServicePrincipal',
      },
    },
  })
  const grantsOf = (name: string): string[] =>
    plane.wire.vaults.live.get(name)!.grants.map((grant) => `${grant.principalId} ${grant.dataActions[0]}`)
  const codeOf = ({ status, body }: TestReply): unknown[] => [status, body.error.code]

  it('are made, shown as Azure shows them, changed, listed and deleted', async () => {
    const made = await plane.send('PUT', vaultPath('Kv1'), request())
    expect(made.status).toBe(201)
    expect(made.body).toMatchObject({
      id: vaultPath('Kv1'),
      type: 'Microsoft.KeyVault/vaults',
      tags: { a: 'b' },
      properties: {
        sku: { family: 'A', name: 'premium' },
        vaultUri: 'https://kv1.vault.strongroom.internal/',
        enableSoftDelete: true,
        provisioningState: 'Succeeded',
        networkAcls: { defaultAction: 'Allow', bypass: 'AzureServices' },
      },
    })
    const denied = { defaultAction: 'Deny', ipRules: [{ value: '203.0.113.7' }] }
    const changed = await plane.send('PATCH', vaultPath('kv1'), { properties: { networkAcls: denied } })
    expect(changed.body.properties.networkAcls).toMatchObject(denied)
    expect(plane.wire.vaults.live.get('kv1')).toMatchObject({
      sku: 'premium',
      enableRbacAuthorization: true,
      networkRules: { defaultAction: 'Deny', ipRules: ['203.0.113.7'] },
    })
    expect((await plane.send('GET', `${provider}/vaults`)).body.value).toHaveLength(1)
    expect((await plane.send('PUT', vaultPath('kv1'), request())).status).toBe(200)
    expect((await plane.send('DELETE', vaultPath('kv1'))).status).toBe(200)
    expect((await plane.send('GET', vaultPath('kv1'))).status).toBe(404)
    expect((await plane.send('DELETE', vaultPath('kv1'))).status).toBe(204)
  })

  it('that were deleted are listed, recovered as they were, and purged', async () => {
    const deleted = await plane.send('GET', `${provider}/deletedVaults`)
    expect(deleted.body.value).toMatchObject([{ name: 'kv1', properties: { vaultId: vaultPath('Kv1') } }])
    expect(codeOf(await plane.send('PUT', vaultPath('kv1'), request()))).toEqual([409, 'ConflictError'])
    expect((await plane.send('GET', vaultPath('kv1'))).status).toBe(404)
    const recover = request({ createMode: 'recover' })
    const elsewhere = await plane.send('PUT', vaultPath('kv1').replace('rg1', 'rg2'), recover)
    expect(elsewhere.status).toBe(404)
    const recovered = await plane.send('PUT', vaultPath('kv1'), {
      location: 'westeurope',
      properties: recover.properties,
    })
    expect(recovered.body).toMatchObject({ tags: { a: 'b' }, properties: { sku: { name: 'premium' } } })
    await plane.send('DELETE', vaultPath('kv1'))
    const one = `${provider}/locations/westeurope/deletedVaults/kv1`
    expect((await plane.send('GET', one)).body.properties.scheduledPurgeDate).toMatch(/^2026/)
    expect((await plane.send('POST', `${one}/purge`)).status).toBe(200)
    expect(codeOf(await plane.send('GET', one))).toEqual([404, 'DeletedVaultNotFound'])
    const asked = { name: 'kv1', type: 'Microsoft.KeyVault/vaults' }
    expect((await plane.send('POST', `${provider}/checkNameAvailability`, asked)).body.nameAvailable).toBe(true)
  })

  it('are used by whoever has a role with data actions at them or above, from then and until it is taken', async () => {
    await plane.send('PUT', vaultPath('kv2'), request())
    expect(grantsOf('kv2')).toEqual([])
    const group1 = assignment('Key Vault Crypto Officer', group)
    const own = assignment('Key Vault Secrets User', vaultPath('kv2'))
    const subscription = assignment('Reader', `/subscriptions/${subscriptionId}`)
    for (const { path, body } of [group1, own, subscription])
      expect((await plane.send('PUT', path, body)).status).toBe(201)
    expect(grantsOf('kv2').toSorted()).toEqual([
      `${alice} Microsoft.KeyVault/vaults/keys/*`,
      `${alice} Microsoft.KeyVault/vaults/secrets/getSecret/action`,
    ])
    await plane.send('PUT', vaultPath('kv3'), request())
    expect(grantsOf('kv3')).toEqual([`${alice} Microsoft.KeyVault/vaults/keys/*`])
    expect((await plane.send('DELETE', group1.path)).status).toBe(200)
    expect(grantsOf('kv3')).toEqual([])
    expect(grantsOf('kv2')).toHaveLength(1)
    // The owner's own role gives no access to the contents.
    expect(grantsOf('kv2').join()).not.toContain(ownerId)
  })

  it('are used by whoever has a role of the installation’s own, as it stands', async () => {
    const roleId = randomUUID()
    const role = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${roleId}`
    const define = (dataActions: string[]): Promise<TestReply> =>
      plane.send('PUT', role, {
        properties: {
          roleName: 'Signer',
          description: 'Signs',
          assignableScopes: [`/subscriptions/${subscriptionId}`],
          permissions: [{ actions: [], notActions: [], dataActions, notDataActions: [] }],
        },
      })
    expect((await define(['Microsoft.KeyVault/vaults/keys/sign/action'])).status).toBeLessThan(300)
    const path = `${vaultPath('kv3')}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`
    const body = { properties: { principalId: alice, roleDefinitionId: role, principalType: 'ServicePrincipal' } }
    expect((await plane.send('PUT', path, body)).status).toBe(201)
    expect(grantsOf('kv3')).toEqual([`${alice} Microsoft.KeyVault/vaults/keys/sign/action`])
    await define(['Microsoft.KeyVault/vaults/keys/verify/action'])
    expect(grantsOf('kv3')).toEqual([`${alice} Microsoft.KeyVault/vaults/keys/verify/action`])
    await plane.send('DELETE', path)
  })

  it('take an assignment at a single key for that key alone', async () => {
    const { path, body } = assignment('Key Vault Crypto User', `${vaultPath('kv3')}/keys/Disk`)
    expect((await plane.send('PUT', path, body)).status).toBe(201)
    expect(plane.wire.vaults.live.get('kv3')!.grants).toMatchObject([{ principalId: alice, object: 'keys/disk' }])
    await plane.send('DELETE', path)
    expect(grantsOf('kv3')).toEqual([])
  })

  it('keep a role assignment until the key service knows that it is gone', async () => {
    const own = assignment('Key Vault Crypto User', vaultPath('kv2'))
    await plane.send('PUT', own.path, own.body)
    plane.wire.away = /\/vaults\/kv2/
    expect((await plane.send('DELETE', own.path)).status).toBe(503)
    plane.wire.away = undefined
    expect((await plane.send('GET', own.path)).status).toBe(200)
    expect((await plane.send('DELETE', own.path)).status).toBe(200)
    expect(grantsOf('kv2').join()).not.toContain('keys/read')
  })

  it('merge access policies as az keyvault set-policy and delete-policy ask', async () => {
    await plane.send('PUT', vaultPath('kv4'), request({ enableRbacAuthorization: false }))
    const policies = (operation: string, permissions: object): Promise<TestReply> =>
      plane.send('PUT', `${vaultPath('kv4')}/accessPolicies/${operation}`, {
        properties: { accessPolicies: [{ tenantId, objectId: alice, permissions }] },
      })
    await policies('add', { keys: ['Get', 'List'] })
    await policies('add', { keys: ['wrapKey'], secrets: ['all'] })
    const held = (): unknown => plane.wire.vaults.live.get('kv4')!.accessPolicies.map(({ permissions }) => permissions)
    expect(held()).toMatchObject([{ keys: ['get', 'list', 'wrapkey'], secrets: ['all'] }])
    await policies('remove', { keys: ['get'], secrets: ['all'] })
    expect(held()).toMatchObject([{ keys: ['list', 'wrapkey'], secrets: [] }])
    await policies('replace', { keys: ['sign'] })
    expect(held()).toMatchObject([{ keys: ['sign'], secrets: [] }])
    const wrong = await policies('add', { keys: ['everything'] })
    expect([wrong.status, wrong.body.error.target]).toEqual([400, 'properties.accessPolicies[0].permissions.keys'])
  })

  it('refuse what cannot be or cannot be taken back', async () => {
    const each: [object, string][] = [
      [{ tenantId: alice }, 'properties.tenantId'],
      [{ sku: { name: 'gold' } }, 'properties.sku.name'],
      [{ enableSoftDelete: false }, 'properties.enableSoftDelete'],
      [{ softDeleteRetentionInDays: 91 }, 'properties.softDeleteRetentionInDays'],
      [{ accessPolicies: [{ tenantId, objectId: 'me', permissions: {} }] }, 'properties.accessPolicies[0].objectId'],
    ]
    for (const [change, target] of each) {
      const answer = await plane.send('PUT', vaultPath('kv5'), request(change))
      expect([answer.status, answer.body.error.target]).toEqual([400, target])
    }
    expect((await plane.send('GET', vaultPath('kv5'))).status).toBe(404)
    await plane.send('PUT', vaultPath('kv5'), request({ enablePurgeProtection: true }))
    const off = await plane.send('PATCH', vaultPath('kv5'), { properties: { enablePurgeProtection: false } })
    expect([off.status, off.body.error.target]).toEqual([400, 'properties.enablePurgeProtection'])
    expect((await plane.send('PUT', vaultPath('kv5'), request())).body.properties.enablePurgeProtection).toBe(true)
  })

  it('go with their group, soft-deleted', async () => {
    await plane.run('DELETE', group)
    expect([...plane.wire.vaults.live.keys()]).toEqual([])
    expect([...plane.wire.vaults.deleted.keys()]).toContain('kv2')
  })
})
