import { describe, expect, it } from 'vitest'
import { roles } from './built-in-roles.ts'
import { roleAllows } from './role-definition.ts'

const allows = (actions: string[], notActions: string[], action: string): boolean =>
  roleAllows({ actions, notActions }, action)

describe('a role', () => {
  it.each([
    ['*', 'Microsoft.Compute/virtualMachines/write', true],
    ['*/read', 'Microsoft.Compute/virtualMachines/read', true],
    ['*/read', 'Microsoft.Compute/virtualMachines/reader', false],
    ['*/read', 'Microsoft.Compute/virtualMachines/read/action', false],
    ['Microsoft.Compute/*', 'Microsoft.Compute/virtualMachines/write', true],
    ['Microsoft.Compute/*', 'XMicrosoft.Compute/virtualMachines/write', false],
    ['Microsoft.Compute/*/read', 'Microsoft.Compute/virtualMachines/extensions/read', true],
    ['Microsoft.Compute/*/read', 'Microsoft.Compute/read', false],
    ['microsoft.compute/VIRTUALMACHINES/write', 'Microsoft.Compute/virtualMachines/write', true],
    // Its other characters are literal.
    ['Microsoft.Compute/a', 'MicrosoftXCompute/a', false],
    ['a+/read', 'aa/read', false],
    ['a(b)/[c]', 'a(b)/[c]', true],
    ['(a|b)/read', 'a/read', false],
    ['**/read', 'a/read', true],
    ['', '', true],
  ])('of %s has %s: %s', (pattern, action, expected) => {
    expect(allows([pattern], [], action)).toBe(expected)
    // A right for granting can also be revoked.
    expect(allows(['*'], [pattern], action)).toBe(!expected)
  })

  it('allows what any of its actions allows and none of its exceptions takes away', () => {
    expect(allows([], [], 'a/read')).toBe(false)
    expect(allows(['b/read', 'a/read'], [], 'a/read')).toBe(true)
    expect(allows(['a/*'], ['b/read', 'a/read'], 'a/read')).toBe(false)
    expect(allows(['a/*'], ['b/read', 'a/read'], 'a/write')).toBe(true)
  })

  it('is judged alike after thousands of others', () => {
    for (let n = 0; n < 2_100; n++) expect(allows([`a${n}/*`], [], `a${n}/read`)).toBe(true)
    expect(allows(['a5/*'], [], 'a6/read')).toBe(false)
  })

  it('with many stars is judged at once', () => {
    const begun = performance.now()
    expect(allows([`${'*'.repeat(200)}/zz`, `${'*a'.repeat(3)}/zz`], [], `${'a'.repeat(200)}/z`)).toBe(false)
    expect(performance.now() - begun).toBeLessThan(5_000)
  })
})

describe('built-in roles', () => {
  const named = (name: string) => roles.find((role) => role.name === name)!

  it('begin with the owner, who may everything, and have ids and names of their own', () => {
    expect(roles[0]).toMatchObject({ name: 'Owner', id: '8e3af657-a8ff-443c-a75c-2fe8c4bcb635' })
    expect(roleAllows(roles[0]!, 'Microsoft.Authorization/roleAssignments/write')).toBe(true)
    for (const key of ['id', 'name'] as const) expect(new Set(roles.map((role) => role[key])).size).toBe(roles.length)
    expect(roles.filter(({ notActions }) => notActions.length > 0).map(({ name }) => name)).toEqual([
      'Contributor',
      'Key Vault Contributor',
    ])
  })

  it('keep rights over rights from anyone who is not an administrator of access', () => {
    const holders = roles
      .filter((role) => roleAllows(role, 'Microsoft.Authorization/roleAssignments/write'))
      .map(({ name }) => name)
    expect(holders.toSorted()).toEqual([
      'Owner',
      'Role Based Access Control Administrator',
      'User Access Administrator',
    ])
    const action = 'Microsoft.Compute/virtualMachines/write'
    expect([roleAllows(named('Contributor'), action), roleAllows(named('Reader'), action)]).toEqual([true, false])
  })

  it('for vaults give their data by data actions alone', () => {
    const forVaults = roles.filter(({ name }) => name.startsWith('Key Vault'))
    expect(forVaults).toHaveLength(11)
    const managing = forVaults.filter((role) => roleAllows(role, 'Microsoft.KeyVault/vaults/write'))
    expect(managing.map(({ name }) => name)).toEqual(['Key Vault Contributor'])
    expect(managing[0]!.dataActions).toEqual([])
    for (const action of ['locations/deletedVaults/purge/action', 'hsmPools/write', 'managedHsms/write'])
      expect([action, roleAllows(managing[0]!, `Microsoft.KeyVault/${action}`)]).toEqual([action, false])
    const data = Object.fromEntries(
      forVaults.map(({ name, dataActions = [] }) => [
        name.replace('Key Vault ', ''),
        dataActions.map((each) => each.replace('Microsoft.KeyVault/vaults/', '')),
      ]),
    )
    expect(data).toEqual({
      Administrator: ['*'],
      Contributor: [],
      'Crypto Officer': ['keys/*', 'keyrotationpolicies/*'],
      'Crypto User': ['read', 'update', 'backup', 'encrypt', 'decrypt', 'wrap', 'unwrap', 'sign', 'verify'].map(
        (name) => `keys/${name}${name === 'read' ? '' : '/action'}`,
      ),
      'Crypto Service Encryption User': ['keys/read', 'keys/wrap/action', 'keys/unwrap/action'],
      'Crypto Service Release User': ['keys/release/action'],
      Reader: ['*/read', 'secrets/readMetadata/action'],
      'Secrets Officer': ['secrets/*'],
      'Secrets User': ['secrets/getSecret/action', 'secrets/readMetadata/action'],
      'Certificates Officer': ['certificatecas/*', 'certificates/*', 'certificatecontacts/write'],
      'Certificate User': ['certificates/read', 'secrets/getSecret/action', 'secrets/readMetadata/action', 'keys/read'],
    })
    expect(forVaults.every(({ notDataActions = [] }) => notDataActions.length === 0)).toBe(true)
    const readers = forVaults
      .filter((role) => roleAllows(role, 'Microsoft.KeyVault/vaults/read'))
      .map(({ name }) => name)
    expect(readers.toSorted()).toEqual([
      'Key Vault Administrator',
      'Key Vault Certificates Officer',
      'Key Vault Contributor',
      'Key Vault Crypto Officer',
      'Key Vault Reader',
      'Key Vault Secrets Officer',
    ])
  })

  it('for vaults have Azure’s ids, and the same reading of what is there', () => {
    const forVaults = roles.filter(({ name }) => name.startsWith('Key Vault'))
    expect(Object.fromEntries(forVaults.map(({ name, id }) => [name.replace('Key Vault ', ''), id]))).toEqual({
      Administrator: '00482a5a-887f-4fb3-b363-3b7fe8e74483',
      Contributor: 'f25e0fa2-a7c4-4377-a976-54943a77a395',
      'Crypto Officer': '14b46e9e-c2b7-41b4-b07b-48a6ebf60603',
      'Crypto User': '12338af0-0e69-4776-bea7-57ae8d297424',
      'Crypto Service Encryption User': 'e147488a-f6f5-4113-8e2d-b22465e65bf6',
      'Crypto Service Release User': '08bbd89e-9f13-488c-ac41-acfcb10c90ab',
      Reader: '21090545-7ca7-4776-b22c-e363652d74d2',
      'Secrets Officer': 'b86a8fe4-44ce-4948-aee5-eccb2c155cd7',
      'Secrets User': '4633458b-17de-408a-b874-0445c86b69e6',
      'Certificates Officer': 'a4417e6f-fecd-4de8-b567-7b0420556985',
      'Certificate User': 'db79e9a7-68ee-4b58-9aeb-b90e7c24fcba',
    })
    const group = 'Microsoft.Resources/subscriptions/resourceGroups/read'
    const reads = [
      group,
      ...['checkNameAvailability', 'deletedVaults', 'locations/*', 'vaults/*', 'vaults', 'operations'].map(
        (name) => `Microsoft.KeyVault/${name}/read`,
      ),
    ]
    const actions = Object.fromEntries(forVaults.map((role) => [role.name.replace('Key Vault ', ''), role.actions]))
    expect(actions).toEqual({
      Administrator: reads,
      Contributor: [group, 'Microsoft.KeyVault/*'],
      'Crypto Officer': reads,
      'Crypto User': [],
      'Crypto Service Encryption User': [],
      'Crypto Service Release User': [],
      Reader: reads,
      'Secrets Officer': reads,
      'Secrets User': [],
      'Certificates Officer': reads,
      'Certificate User': [],
    })
    const exceptions = forVaults.filter(({ notActions }) => notActions.length > 0)
    expect(exceptions.map(({ name, notActions }) => [name, notActions])).toEqual([
      [
        'Key Vault Contributor',
        ['locations/deletedVaults/purge/action', 'hsmPools/*', 'managedHsms/*'].map(
          (name) => `Microsoft.KeyVault/${name}`,
        ),
      ],
    ])
  })
})
