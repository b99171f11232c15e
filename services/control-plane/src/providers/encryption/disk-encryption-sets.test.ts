import { describe, expect, it } from 'vitest'
import {
  error,
  identityPath,
  instance,
  keyUrl,
  makeSet,
  makeVm,
  plane,
  putVault,
  setPath,
  setRequest,
  useSetPlane,
  vaultPath,
} from '../../testing/disk-encryption.ts'
import { group, subscriptionId, tenantId, type Loose } from '../../testing/test-plane.ts'
import { placeKey } from './set-key.ts'

useSetPlane()

describe('a disk-encryption set', () => {
  it('is made as az makes it, shown with its principal, listed, and deleted with its principal', async () => {
    const made = await makeSet()
    expect(made).toMatchObject({
      id: setPath('set'),
      type: 'Microsoft.Compute/diskEncryptionSets',
      identity: { type: 'SystemAssigned', principalId: plane.wire.identities.get(setPath('set'))?.principalId },
      properties: {
        activeKey: { keyUrl: keyUrl('1') },
        previousKeys: [],
        encryptionType: 'ConfidentialVmEncryptedWithCustomerKey',
        rotationToLatestKeyVersionEnabled: false,
        provisioningState: 'Succeeded',
      },
    })
    expect((await plane.send('PUT', setPath('set'), setRequest())).body.etag).toBe(made.etag)
    const lists = [
      `${group}/providers/Microsoft.Compute/diskEncryptionSets`,
      `/subscriptions/${subscriptionId}/providers/Microsoft.Compute/diskEncryptionSets`,
    ]
    for (const list of lists) expect((await plane.send('GET', list)).body.value).toHaveLength(1)
    expect((await plane.send('GET', `${setPath('set')}/associatedResources`)).body).toEqual({ value: [] })
    expect((await plane.send('DELETE', setPath('set'))).status).toBe(200)
    expect((await plane.send('DELETE', setPath('set'))).status).toBe(204)
    expect(plane.wire.identities.has(setPath('set'))).toBe(false)
  })

  it('acts as a user-assigned identity, whose rights at the key are asked when the set is made', async () => {
    const body = setRequest({
      identity: { type: 'UserAssigned', userAssignedIdentities: { [identityPath('ana')]: {} } },
    })
    expect(error(await plane.send('PUT', setPath('set'), body))).toMatchObject({ code: 'InvalidResourceReference' })
    const identity = await plane.send('PUT', identityPath('ana'), { location: 'westeurope' })
    expect(identity.status).toBe(201)
    const denied = await plane.send('PUT', setPath('set'), body)
    expect(denied.status).toBe(403)
    expect(error(denied)).toMatchObject({ code: 'KeyVaultAccessForbidden', target: keyUrl('1') })
    plane.wire.customerKeys.grant(identityPath('ana'), ['get', 'wrapkey'])
    expect(error(await plane.send('PUT', setPath('set'), body)).code).toBe('KeyVaultAccessForbidden')
    plane.wire.customerKeys.grant(identityPath('ana'))
    const made = await plane.send('PUT', setPath('set'), body)
    const { principalId, clientId } = identity.body.properties
    expect(made.body.identity).toEqual({
      type: 'UserAssigned',
      userAssignedIdentities: { [identityPath('ana')]: { principalId, clientId } },
    })
    await makeVm('vm1')
    expect((await instance('vm1')).spec.customerKey.identity).toBe(identityPath('ana'))
    const both = {
      identity: { type: 'SystemAssigned, UserAssigned', userAssignedIdentities: { [identityPath('ana')]: {} } },
    }
    expect((await plane.send('PATCH', setPath('set'), both)).body.identity).toMatchObject({
      type: 'SystemAssigned, UserAssigned',
      principalId: plane.wire.identities.get(setPath('set'))?.principalId,
    })
  })

  it.each<[string, Loose, string]>([
    ['another type', { properties: { encryptionType: 'EncryptionAtRestWithCustomerKey' } }, 'BadRequest'],
    ['automatic rotation', { properties: { rotationToLatestKeyVersionEnabled: true } }, 'InvalidParameter'],
    ['a key of another tenant', { properties: { federatedClientId: tenantId } }, 'InvalidParameter'],
    ['no key', { properties: { activeKey: null } }, 'InvalidParameter'],
    ['a key without its version', { keyUrl: 'https://box.vault.strongroom.internal/keys/disk' }, 'InvalidParameter'],
    ['a key elsewhere', { keyUrl: `https://box.vault.azure.net/keys/disk/${'1'.repeat(32)}` }, 'InvalidParameter'],
    ['a key of the platform’s vault', { keyUrl: keyUrl('1', 'platform') }, 'KeyVaultNotFound'],
    ['a vault that is not there', { keyUrl: keyUrl('1', 'nobody') }, 'KeyVaultNotFound'],
    ['no identity', { identity: { type: 'None' } }, 'InvalidParameter'],
    [
      'two user-assigned identities',
      { identity: { type: 'UserAssigned', userAssignedIdentities: { a: {}, b: {} } } },
      'InvalidParameter',
    ],
  ])('is refused with %s', async (_name, o, code) => {
    const reply = await plane.send('PUT', setPath('set'), setRequest(o))
    expect(reply.status).toBe(400)
    expect(error(reply)).toMatchObject({
      code,
      expected: expect.any(String),
      found: expect.any(String),
      remedy: expect.any(String),
    })
    expect(plane.wire.identities.has(setPath('set'))).toBe(false)
  })

  it.each<[string, Loose, string, string]>([
    ['is standard', { sku: { family: 'A', name: 'standard' } }, 'westeurope', 'KeyVaultSkuNotSupported'],
    ['has no purge protection', { enablePurgeProtection: null }, 'westeurope', 'KeyVaultPurgeProtectionNotEnabled'],
  ])('is refused with a key of a vault that %s', async (_name, properties, location, code) => {
    await putVault('other', properties, location)
    expect(error(await plane.send('PUT', setPath('set'), setRequest({ keyUrl: keyUrl('1', 'other') })))).toMatchObject({
      code,
    })
  })

  it('takes a key of a vault that is not enabled for disk encryption, as Azure does: the set has its own grant', async () => {
    await putVault('other', { enabledForDiskEncryption: null }, 'westeurope')
    expect((await plane.send('PUT', setPath('set'), setRequest({ keyUrl: keyUrl('1', 'other') }))).status).toBeLessThan(
      300,
    )
  })

  it('keeps type and place, and takes other tags', async () => {
    await makeSet()
    const type = await plane.send('PATCH', setPath('set'), {
      properties: { encryptionType: 'EncryptionAtRestWithCustomerKey' },
    })
    expect(type.status).toBe(409)
    expect(error(type)).toMatchObject({ code: 'PropertyChangeNotAllowed', target: 'encryptionType' })
    const place = await plane.send('PUT', setPath('set'), { ...setRequest(), location: 'northeurope' })
    expect(error(place)).toMatchObject({ code: 'PropertyChangeNotAllowed', target: 'location' })
    expect((await plane.send('PATCH', setPath('set'), { tags: { a: 'b' } })).body.tags).toEqual({ a: 'b' })
  })

  it('names a vault only for those who may see it', async () => {
    const stranger = '0f2a9f3e-0000-4000-8000-00000000dddd'
    const assign = async (scope: string, role: string, name: string): Promise<void> => {
      const roleDefinitionId = `/subscriptions/${subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${role}`
      const body = { properties: { principalId: stranger, roleDefinitionId } }
      const reply = await plane.send('PUT', `${scope}/providers/Microsoft.Authorization/roleAssignments/${name}`, body)
      expect(reply.status).toBe(201)
    }
    const contributor = 'b24988ac-6180-42a0-ab88-20f7382dd24c'
    await makeSet()
    await assign(setPath('set'), contributor, '0f2a9f3e-0000-4000-8000-00000000eee1')
    const body = setRequest({ keyUrl: keyUrl('2') })
    // By its URL it is not found, as one that is absent; by its id it takes the right, whether or not it exists.
    const told = async (vault: string, more: Loose = {}): Promise<unknown> => {
      const activeKey = { keyUrl: keyUrl('2', vault), ...more }
      const request = setRequest({ properties: { activeKey } })
      const denied = await plane.send('PUT', setPath('set'), request, { as: stranger })
      return [denied.status, JSON.parse(JSON.stringify(denied.body).replaceAll(vault, 'VAULT'))]
    }
    expect(await told('box')).toEqual(await told('nay'))
    expect(await told('box')).toEqual([400, { error: expect.objectContaining({ code: 'KeyVaultNotFound' }) }])
    const at = async (vault: string): Promise<unknown> => await told(vault, { sourceVault: { id: vaultPath(vault) } })
    expect(await at('box')).toEqual(await at('nay'))
    expect(await at('box')).toEqual([403, { error: expect.objectContaining({ code: 'LinkedAuthorizationFailed' }) }])
    await assign(vaultPath('box'), contributor, '0f2a9f3e-0000-4000-8000-00000000eee2')
    expect((await plane.send('PUT', setPath('set'), body, { as: stranger })).status).toBe(200)
  })
})

describe('the place of a set’s key', () => {
  const hsm = {
    id: `${group}/providers/Microsoft.KeyVault/managedHSMs/pool`,
    key: 'k',
    name: 'pool',
    location: 'westeurope',
    body: { properties: { enablePurgeProtection: true } },
  }
  const place = async (stored: object, location = 'westeurope', sourceVault?: string): Promise<Loose> =>
    await placeKey(
      { resources: { list: async () => [stored] } } as unknown as Parameters<typeof placeKey>[0],
      {
        keyUrl: `https://Pool.managedhsm.strongroom.internal:443/keys/disk/${'AB'.repeat(16)}`,
        ...(sourceVault !== undefined && { sourceVault }),
      },
      location,
    )

  it('is a managed HSM of the set’s region with purge protection, spelled in one way', async () => {
    expect((await place(hsm)).key.keyUrl).toBe(
      `https://pool.managedhsm.strongroom.internal/keys/disk/${'ab'.repeat(16)}`,
    )
    expect((await place(hsm, 'northeurope')).problems[0].code).toBe('KeyVaultAndDiskEncryptionSetInDifferentRegions')
    expect((await place({ ...hsm, body: { properties: {} } })).problems[0].code).toBe(
      'KeyVaultPurgeProtectionNotEnabled',
    )
    expect((await place(hsm, 'westeurope', vaultPath('box'))).problems[0]).toMatchObject({ expected: hsm.id })
  })
})
