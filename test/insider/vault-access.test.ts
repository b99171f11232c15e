import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { VaultAccess } from '@strongroom/contract'
import { domain, managementAudience, managementHost } from '@strongroom/contract'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  objectIdOf,
  startTestInstallation,
  type Credential,
  type TestInstallation,
} from '../../apps/strongroomd/src/testing/running.ts'

const root = resolve(import.meta.dirname, '../..')
const roleIds = {
  contributor: 'b24988ac-6180-42a0-ab88-20f7382dd24c',
  userAccess: '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9',
  cryptoUser: '12338af0-0e69-4776-bea7-57ae8d297424',
}

let installation: TestInstallation
let insider: Credential
/** Object ids. */
let me: string
let contributor: string
const group = (): string => `${installation.subscription}/resourceGroups/rg`
const vault = (name: string): string => `${group()}/providers/Microsoft.KeyVault/vaults/${name}`

beforeAll(async () => {
  installation = await startTestInstallation()
  me = await objectIdOf(installation.owner)
  await installation.arm('PUT', group(), { location: 'westeurope' })
  for (const [name, enableRbacAuthorization] of [
    ['byroles', true],
    ['bypolicies', false],
  ] as const)
    await installation.arm('PUT', vault(name), vaultBody({ enableRbacAuthorization }))
  ;({ credential: insider, objectId: contributor } = await newApplication())
  await assign(group(), roleIds.contributor, contributor)
})
afterAll(() => installation?.close())

const vaultBody = (properties: object): object => ({
  location: 'westeurope',
  properties: { tenantId: installation.tenantId, sku: { family: 'A', name: 'premium' }, ...properties },
})
const assign = async (scope: string, role: string, principalId: string): Promise<unknown> =>
  await installation.arm('PUT', `${scope}/providers/Microsoft.Authorization/roleAssignments/${randomUUID()}`, {
    properties: { principalId, roleDefinitionId: `/x/${role}` },
  })

/** An application of the directory with a service principal and a secret. */
async function newApplication(): Promise<{ credential: Credential; objectId: string }> {
  const { token } = await installation.owner.getToken(`https://graph.${domain}/.default`)
  const graph = async <T>(path: string, body: object): Promise<T> =>
    (await installation.wire.request<T>({ method: 'POST', url: `https://graph.${domain}/v1.0${path}`, token, body }))
      .body
  const made = await graph<{ id: string; appId: string }>('/applications', { displayName: 'insider' })
  const { id } = await graph<{ id: string }>('/servicePrincipals', { appId: made.appId })
  const { secretText } = await graph<{ secretText: string }>(`/applications/${made.id}/addPassword`, {})
  return { credential: installation.credentialOf(made.appId, secretText), objectId: id }
}

/** As the Contributor, on the resource manager's wire. */
async function asInsider(method: string, path: string, body?: object): Promise<string> {
  const { token } = await insider.getToken(`${managementAudience}/.default`)
  const url = `https://${managementHost}${path}?api-version=2023-07-01`
  return await installation.wire.request({ method, url, token, ...(body !== undefined && { body }) }).then(
    ({ status }) => String(status),
    (error: unknown) => (error as { code: string }).code,
  )
}

/** The command as its user runs it. */
async function strongroom(...args: string[]): Promise<string> {
  const env = { ...process.env, STRONGROOM_STATE_DIR: installation.running.context.stateDir }
  return (await promisify(execFile)(join(root, 'strongroom'), args, { env })).stdout
}
const shown = async (name: string): Promise<VaultAccess> =>
  JSON.parse(await strongroom('vault', 'show', name, '--output', 'json')) as VaultAccess
const who = (entries: readonly { principalId: string }[]): string[] => [
  ...new Set(entries.map((each) => each.principalId)),
]

describe('strongroom vault', () => {
  it('lists the permission model of each vault, and how many that lets in', async () => {
    const lines = (await strongroom('vault', 'list')).split('\n')
    expect(lines.find((line) => line.startsWith('byroles'))).toMatch(/ roles +0 +1$/)
    expect(lines.find((line) => line.startsWith('bypolicies'))).toMatch(/ access policies +0 +2$/)
  })

  it('shows a Contributor among those who may let in themselves, where access policies decide, and he may (attack W2)', async () => {
    expect(who((await shown('bypolicies')).grantors)).toEqual([me, contributor])
    const policy = { tenantId: installation.tenantId, objectId: contributor, permissions: { keys: ['all'] } }
    const path = `${vault('bypolicies')}/accessPolicies/add`
    expect(await asInsider('PUT', path, { properties: { accessPolicies: [policy] } })).toBe('200')
    expect(who((await shown('bypolicies')).users)).toEqual([contributor])
    const text = await strongroom('vault', 'show', 'bypolicies')
    expect(text).toContain('Whoever may write the vault can add a policy for themselves.')
    expect(text).toMatch(new RegExp(`${contributor} +access policy +keys: all`))
    expect(text).toMatch(new RegExp(`${contributor} +Contributor .*Microsoft.KeyVault/vaults/write`))
  })

  it('shows him nowhere where roles decide, and he may not (attack W2)', async () => {
    const { permissionModel, grantors, users } = await shown('byroles')
    expect({ permissionModel, grantors: who(grantors), users }).toEqual({
      permissionModel: 'roles',
      grantors: [me],
      users: [],
    })
    const change = { properties: { enableRbacAuthorization: false } }
    expect(await asInsider('PATCH', vault('byroles'), change)).toBe('InsufficientPermissions')
  })

  it('shows whom roles let in, at the vault, above it and at a single key, and who may give them', async () => {
    const [user, giver, ofKey] = [randomUUID(), randomUUID(), randomUUID()]
    await assign(group(), roleIds.cryptoUser, user)
    await assign(`${vault('byroles')}/keys/disk`, roleIds.cryptoUser, ofKey)
    await assign(installation.subscription, roleIds.userAccess, giver)
    const roles = await shown('byroles')
    expect(roles.users.map(({ principalId, role }) => [principalId, role?.name])).toEqual([
      [user, 'Key Vault Crypto User'],
      [ofKey, 'Key Vault Crypto User'],
    ])
    expect(who(roles.grantors)).toEqual([me, giver])
    // With access policies, these roles grant no access; whoever assigns roles may change the permission model.
    const policies = await shown('bypolicies')
    expect(who(policies.users)).toEqual([contributor])
    expect(who(policies.grantors)).toEqual([me, contributor, giver])
  })

  it('tells nobody who may not read role assignments there', async () => {
    const access = '/providers/Strongroom.KeyVault/access'
    expect(await asInsider('GET', `${vault('byroles')}${access}`)).toBe('200')
    const other = `${installation.subscription}/resourceGroups/other`
    await installation.arm('PUT', other, { location: 'westeurope' })
    const path = `${other}/providers/Microsoft.KeyVault/vaults/elsewhere`
    await installation.arm('PUT', path, vaultBody({ enableRbacAuthorization: true }))
    expect(await asInsider('GET', `${path}${access}`)).toBe('AuthorizationFailed')
  })

  it('names what there is where a vault is not there, with exit code 4', async () => {
    await expect(strongroom('vault', 'show', 'nosuch')).rejects.toMatchObject({
      code: 4,
      stderr: expect.stringContaining('bypolicies') as string,
    })
  })
})
