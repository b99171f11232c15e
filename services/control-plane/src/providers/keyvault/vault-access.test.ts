import { vaultDefaults, type VaultAccess } from '@strongroom/contract'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ownerId, tenantId } from '../../testing/ids.ts'
import type { RightsPlane } from '../../testing/rights-plane.ts'
import {
  alice,
  bob,
  builtIn,
  definition,
  group,
  id,
  other,
  roleAt,
  senderTo,
  subscription,
} from '../../testing/role-requests.ts'
import { openVaultRights, vaultAt } from '../../testing/vault-rights.ts'
import { vaultBody, type VaultSettings } from './vault-model.ts'

const authorization = 'Microsoft.Authorization'
const keyVault = 'Microsoft.KeyVault/vaults'
const permissions = { keys: ['get'], secrets: [], certificates: [], storage: [] }
const policies = [
  { tenantId, objectId: alice, permissions },
  { tenantId, objectId: bob, applicationId: id(8), permissions },
]
const settings = (enableRbacAuthorization: boolean): VaultSettings => ({
  ...vaultDefaults,
  tenantId,
  enableRbacAuthorization,
  accessPolicies: policies,
})
const [byRoles, byPolicies] = [vaultAt('ByRoles'), vaultAt('ByPolicies')]

let rights: RightsPlane
const send = senderTo(() => rights)
const access = async (vault: string, as?: string): Promise<VaultAccess> =>
  (await send('GET', `${vault}/providers/Strongroom.KeyVault/access`, undefined, as)).body as VaultAccess
let given = 10
const give = async (scope: string, role: string, principalId: string = alice): Promise<void> => {
  const made = { scope, name: id(given++), principalId, principalType: 'User', by: ownerId }
  await rights.access.assign({ ...made, roleId: role, asker: undefined })
}
const roleCalled = async (name: string): Promise<string> =>
  (await rights.access.customRoles()).find((each) => each.name === name)?.id ?? builtIn(name)

beforeAll(async () => {
  rights = await openVaultRights()
  for (const [path, isByRoles] of [
    [byRoles, true],
    [byPolicies, false],
  ] as const)
    await rights.resources.transaction(async (tx) => {
      const internal = settings(isByRoles)
      await rights.resources.insert(tx, { id: path, location: 'westeurope', body: vaultBody('x', internal), internal })
    })
  for (const [n, roleName, actions, dataActions] of [
    [1, 'Reads assignments', [`${authorization}/roleAssignments/read`], []],
    [2, 'Gives roles', [`${authorization}/roleAssignments/write`], []],
    [3, 'Writes roles', [`${authorization}/roleDefinitions/write`], []],
    [4, 'Writes vaults', [`${keyVault}/write`], []],
    [5, 'Writes policies', [`${keyVault}/accessPolicies/write`], []],
    [6, 'Signs', [], [`${keyVault}/keys/sign/action`]],
  ] as const) {
    const asked = definition({ roleName, permissions: [{ actions, dataActions }], assignableScopes: [subscription] })
    expect((await send('PUT', roleAt(subscription, n), asked)).status).toBe(201)
  }
})
afterAll(async () => await rights.close())
beforeEach(async () => {
  for (const { scope, name, principal_id: principal } of await rights.access.list())
    if (principal !== ownerId) await rights.access.remove(undefined, scope, name)
})

const owner = { principalId: ownerId, role: { name: 'Owner', scope: subscription } }
const giving = { ...owner, action: `${authorization}/roleAssignments/write` }
const writing = { ...owner, action: `${keyVault}/write` }

describe('what is shown of a vault’s access', () => {
  it('is by whom its model lets in, and who may change that, where nobody else has a role', async () => {
    expect(await access(byRoles)).toEqual({ vault: byRoles, permissionModel: 'roles', users: [], grantors: [giving] })
    expect(await access(byPolicies.toUpperCase())).toEqual({
      vault: byPolicies,
      permissionModel: 'accessPolicies',
      users: [
        { principalId: alice, permissions },
        { principalId: bob, applicationId: id(8), permissions },
      ],
      grantors: [writing],
    })
    expect(await send('GET', `${vaultAt('none')}/providers/Strongroom.KeyVault/access`)).toMatchObject({ status: 404 })
  })

  it('is read by anyone who may read assignments at it, and by nobody else', async () => {
    expect(await send('GET', `${byRoles}/providers/Strongroom.KeyVault/access`, undefined, alice)).toMatchObject({
      status: 403,
    })
    await give(byRoles, id(1))
    expect((await access(byRoles, alice)).vault).toBe(byRoles)
    expect(await send('GET', `${byPolicies}/providers/Strongroom.KeyVault/access`, undefined, alice)).toMatchObject({
      status: 403,
    })
  })

  it('is not by whom a condition keeps out, but by whom it may let in', async () => {
    const action = `${authorization}/roleAssignments/write`
    const grantorsUnder = async (condition: string): Promise<string[]> => {
      const made = { scope: group, name: id(given++), principalId: alice, principalType: 'User', by: ownerId }
      const roleId = await roleCalled('Gives roles')
      await rights.access.assign({ ...made, roleId, condition, asker: undefined })
      const { grantors } = await access(byRoles)
      await rights.access.remove(undefined, group, made.name)
      return grantors.map(({ principalId }) => principalId)
    }
    expect([
      await grantorsUnder(`!(ActionMatches{'${action}'})`),
      await grantorsUnder(`@Request[${authorization}/roleAssignments:PrincipalType] StringEquals 'User'`),
    ]).toEqual([[ownerId], [ownerId, alice]])
    const made = { scope: group, name: id(given++), principalId: alice, principalType: 'User', by: ownerId }
    const roleId = await roleCalled('Signs')
    await rights.access.assign({ ...made, roleId, condition: "ActionMatches{'*'}", asker: undefined })
    expect((await access(byRoles)).users).toEqual([])
  })

  it.each<[string, string, boolean]>([
    ['Key Vault Crypto User', '', true],
    ['Key Vault Crypto User', subscription, true],
    ['Key Vault Reader', group, true],
    ['Signs', byRoles, true],
    ['Key Vault Secrets User', `${byRoles}/secrets/S1`, true],
    ['Key Vault Crypto User', other, false],
    ['Key Vault Crypto User', byPolicies, false],
    ['Key Vault Crypto User', `${byRoles}2`, false],
    ['Reader', group, false],
    ['Reads assignments', group, false],
  ])('is whether %s at %j lets in', async (name, scope, isUser) => {
    await give(scope, await roleCalled(name))
    const users = isUser ? [{ principalId: alice, role: { name, scope: scope || '/' } }] : []
    expect((await access(byRoles)).users).toEqual(users)
    expect((await access(byPolicies)).users.map(({ principalId }) => principalId)).toEqual([alice, bob])
  })

  it('is nothing of a role that is gone', async () => {
    await give(group, id(9))
    expect(await access(byRoles)).toMatchObject({ users: [], grantors: [giving] })
  })

  const gives = `${authorization}/roleAssignments/write`
  it.each<[string, string, string | undefined, string | undefined]>([
    ['Owner', group, gives, `${keyVault}/write`],
    ['User Access Administrator', '', gives, gives],
    ['Gives roles', group, gives, gives],
    ['Writes roles', group, `${authorization}/roleDefinitions/write`, `${authorization}/roleDefinitions/write`],
    ['Contributor', group, undefined, `${keyVault}/write`],
    ['Writes vaults', group, undefined, `${keyVault}/write`],
    ['Writes policies', group, undefined, `${keyVault}/accessPolicies/write`],
    ['Reader', group, undefined, undefined],
    ['Key Vault Administrator', group, undefined, undefined],
    ['Owner', other, undefined, undefined],
    ['Owner', `${group}2`, undefined, undefined],
  ])('is whether %s at %j may let in, by roles and by policies', async (name, scope, byRole, byPolicy) => {
    await give(scope, await roleCalled(name))
    const entry = (action: string | undefined): unknown[] =>
      action === undefined ? [] : [{ principalId: alice, role: { name, scope: scope || '/' }, action }]
    expect((await access(byRoles)).grantors).toEqual([giving, ...entry(byRole)])
    expect((await access(byPolicies)).grantors).toEqual([writing, ...entry(byPolicy)])
  })

  it('names who may give roles at one of its keys alone, and does not where policies decide (attack W2)', async () => {
    const key = `${byRoles}/keys/Disk`
    await give(key, builtIn('Owner'))
    await give(`${byPolicies}/keys/Disk`, builtIn('Owner'))
    expect((await access(byRoles)).grantors).toEqual([
      giving,
      { principalId: alice, role: { name: 'Owner', scope: key }, action: gives },
    ])
    expect((await access(byPolicies)).grantors).toEqual([writing])
    // His rights on the wire: give himself access there, but not change the model.
    const path = `${key}/providers/${authorization}/roleAssignments/${id(5)}`
    const body = { properties: { principalId: alice, roleDefinitionId: roleAt('', builtIn('Key Vault Crypto User')) } }
    expect((await send('PUT', path, body, alice)).status).toBe(201)
    expect((await access(byRoles)).users).toEqual([
      { principalId: alice, role: { name: 'Key Vault Crypto User', scope: key } },
    ])
    const change = { properties: { enableRbacAuthorization: true } }
    expect((await send('PATCH', byPolicies, change, alice)).status).toBe(403)
  })
})
