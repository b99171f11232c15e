import type { Caller } from '@strongroom/platform'
import { expect, it } from 'vitest'
import type { Vault } from '../vaults/vault.ts'
import { requireByPolicy, requireByRoles } from './tenant-access.ts'

const tenantId = '00000000-0000-4000-8000-00000000000a'
const team = '00000000-0000-4000-8000-0000000000aa'
const caller = (claims: Record<string, unknown>): Caller => ({
  objectId: '00000000-0000-4000-8000-0000000000bb',
  appId: '00000000-0000-4000-8000-0000000000cc',
  tenantId,
  claims,
})
const vault = {
  name: 'kv1',
  location: 'westeurope',
  resourceId: '/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/kv1',
  grants: [
    { principalId: team, object: 'keys/k', dataActions: ['Microsoft.KeyVault/vaults/keys/read'], notDataActions: [] },
  ],
  accessPolicies: [
    { tenantId, objectId: team, permissions: { keys: ['get'], secrets: [], certificates: [], storage: [] } },
  ],
} as unknown as Vault

it('rights of a group are those of whose token names it, and no further than they go', () => {
  const member = caller({ groups: ['00000000-0000-4000-8000-0000000000dd', team] })
  expect(() => requireByRoles(member, vault, 'get', 'keys/k')).not.toThrow()
  expect(() => requireByPolicy(member, vault, 'get')).not.toThrow()
  expect(() => requireByRoles(member, vault, 'get', 'keys/other')).toThrow()
  expect(() => requireByRoles(member, vault, 'delete', 'keys/k')).toThrow()
  for (const groups of [undefined, [], team, [[team]], { 0: team }, ['*']]) {
    expect(() => requireByRoles(caller({ groups }), vault, 'get', 'keys/k')).toThrow()
    expect(() => requireByPolicy(caller({ groups }), vault, 'get')).toThrow()
  }
})
