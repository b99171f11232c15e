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
    // Its other characters stand for themselves.
    ['Microsoft.Compute/a', 'MicrosoftXCompute/a', false],
    ['a+/read', 'aa/read', false],
    ['a(b)/[c]', 'a(b)/[c]', true],
    ['(a|b)/read', 'a/read', false],
    ['**/read', 'a/read', true],
    ['', '', true],
  ])('of %s has %s: %s', (pattern, action, expected) => {
    expect(allows([pattern], [], action)).toBe(expected)
    // What it is given for is what it can be taken away by.
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
    expect(roles.every(({ notActions }) => Array.isArray(notActions))).toBe(true)
  })

  it('keep rights over rights from who is no administrator of access', () => {
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
    expect(forVaults).toHaveLength(9)
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
    })
    expect(forVaults.every(({ notDataActions = [] }) => notDataActions.length === 0)).toBe(true)
    const readers = forVaults
      .filter((role) => roleAllows(role, 'Microsoft.KeyVault/vaults/read'))
      .map(({ name }) => name)
    expect(readers.toSorted()).toEqual([
      'Key Vault Administrator',
      'Key Vault Contributor',
      'Key Vault Crypto Officer',
      'Key Vault Reader',
      'Key Vault Secrets Officer',
    ])
  })
})
