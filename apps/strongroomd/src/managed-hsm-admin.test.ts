import { managedHsmAudience, managedHsmHost } from '@strongroom/contract'
import { issueSelfSigned } from '@strongroom/platform'
import { generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { objectIdOf, startTestInstallation, type TestInstallation } from './testing/running.ts'

interface Answer<T> {
  status: number
  headers: Record<string, string>
  body: T
}
interface Job {
  status: string
  jobId: string
  azureStorageBlobContainerUri?: string
}
interface RoleDefinition {
  id: string
  name: string
  type: string
  properties: { roleName: string; type: string; assignableScopes: string[]; permissions: { dataActions: string[] }[] }
}
interface RoleAssignment {
  id: string
  name: string
  properties: { principalId: string; roleDefinitionId: string; scope: string }
}

const authorization = '/providers/Microsoft.Authorization'
const storageResourceUri = 'https://backup.strongroom.internal/admin-test'

/**
 * The wire of @azure/keyvault-admin (access control and backup, Key Vault 7.5), through a separate client written from
 * the published operations: the package is not in the registry that the tests install from.
 */
describe('the administration of a managed HSM, by the published operations', { timeout: 120_000 }, () => {
  let installation: TestInstallation
  let me: string

  const send = async <T>(method: string, pathOrUrl: string, body?: unknown): Promise<Answer<T>> => {
    const { token } = await installation.owner.getToken(`${managedHsmAudience}/.default`)
    const url = pathOrUrl.startsWith('https://')
      ? pathOrUrl
      : `https://${managedHsmHost('admin')}${pathOrUrl}${pathOrUrl.includes('?') ? '&' : '?'}api-version=7.5`
    const answer = await installation.wire.request<T>({ method, url, token, ...(body !== undefined && { body }) })
    return answer as Answer<T>
  }
  /** As clients of long-running operations do: polls the answer's own address until the end. */
  const finished = async (started: Answer<Job>): Promise<Job> => {
    expect(started.status).toBe(202)
    const address = started.headers['azure-asyncoperation']
    for (let poll = 0; poll < 50; poll++) {
      const { body } = await send<Job>('GET', address!)
      if (body.status !== 'InProgress') return body
    }
    throw new Error('it does not end')
  }

  beforeAll(async () => {
    installation = await startTestInstallation()
    me = await objectIdOf(installation.owner)
    const group = `${installation.subscription}/resourceGroups/rg`
    await installation.arm('PUT', group, { location: 'westeurope' })
    await installation.arm('PUT', `${group}/providers/Microsoft.KeyVault/managedHSMs/admin`, {
      location: 'westeurope',
      sku: { family: 'B', name: 'Standard_B1' },
      properties: { tenantId: installation.tenantId, initialAdminObjectIds: [me], softDeleteRetentionInDays: 7 },
    })
    const certificates = [0, 1, 2].map(() => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
      const times = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 3600_000) }
      const pem = issueSelfSigned({ subject: 'CN=holder', privateKey, usages: ['digitalSignature'], ...times })
      return { x5c: [new X509Certificate(pem).raw.toString('base64')] }
    })
    await send('POST', '/securitydomain/download', { certificates, required: 2 })
  })
  afterAll(() => installation?.close())

  it('access control: definitions are listed, made, read and deleted; assignments give and take what they say', async () => {
    const listed = await send<{ value: RoleDefinition[] }>('GET', `${authorization}/roleDefinitions`)
    const user = listed.body.value.find(({ properties }) => properties.roleName === 'Managed HSM Crypto User')!
    expect(user).toMatchObject({
      type: 'Microsoft.Authorization/roleDefinitions',
      properties: { type: 'AKVBuiltInRole' },
    })
    const name = randomUUID()
    const dataActions = ['Microsoft.KeyVault/managedHsm/keys/read/action', 'Microsoft.KeyVault/managedHsm/keys/create']
    const made = await send<RoleDefinition>('PUT', `${authorization}/roleDefinitions/${name}`, {
      properties: {
        roleName: 'Reader and maker',
        description: 'd',
        type: 'CustomRole',
        permissions: [{ dataActions }],
        assignableScopes: ['/'],
      },
    })
    expect([made.status, made.body.name, made.body.properties.permissions[0]!.dataActions]).toEqual([
      201,
      name,
      dataActions,
    ])
    const shown = await send<RoleDefinition>('GET', `${authorization}/roleDefinitions/${name}`)
    expect(shown.body.properties).toMatchObject({ roleName: 'Reader and maker', type: 'CustomRole' })

    await expect(send('POST', '/keys/k/create', { kty: 'EC-HSM' })).rejects.toMatchObject({ status: 403 })
    const assignmentName = randomUUID()
    const path = `/keys${authorization}/roleAssignments/${assignmentName}`
    const properties = { principalId: me, roleDefinitionId: made.body.id }
    const assigned = await send<RoleAssignment>('PUT', path, { properties })
    expect([assigned.status, assigned.body.properties.scope]).toEqual([201, '/keys'])
    expect((await send('POST', '/keys/k/create', { kty: 'EC-HSM' })).status).toBe(200)
    const inForce = await send<{ value: RoleAssignment[] }>('GET', `/keys${authorization}/roleAssignments`)
    expect(inForce.body.value.map((each) => each.name)).toContain(assignmentName)
    expect((await send<RoleAssignment>('DELETE', path)).body.name).toBe(assignmentName)
    await expect(send('GET', '/keys/k')).rejects.toMatchObject({ status: 403 })
    expect((await send<RoleDefinition>('DELETE', `${authorization}/roleDefinitions/${name}`)).body.name).toBe(name)
    await expect(send('GET', `${authorization}/roleDefinitions/${name}`)).rejects.toMatchObject({ status: 404 })
  })

  it('backup: the whole HSM and one key of it come back as they were, each to the end of its operation', async () => {
    const { value } = (await send<{ value: RoleDefinition[] }>('GET', `${authorization}/roleDefinitions`)).body
    const user = value.find(({ properties }) => properties.roleName === 'Managed HSM Crypto User')!
    await send('PUT', `${authorization}/roleAssignments/${randomUUID()}`, {
      properties: { principalId: me, roleDefinitionId: user.id },
    })
    interface Key {
      key: { kid: string; x: string }
    }
    const first = (await send<Key>('POST', '/keys/one/create', { kty: 'EC-HSM' })).body
    const other = (await send<Key>('POST', '/keys/two/create', { kty: 'EC-HSM' })).body
    const job = await finished(await send<Job>('POST', '/backup', { storageResourceUri, token: 'x' }))
    expect(job).toMatchObject({
      status: 'Succeeded',
      azureStorageBlobContainerUri: expect.stringContaining(storageResourceUri),
    })
    const folder = job.azureStorageBlobContainerUri!.split('/').at(-1)
    for (const name of ['one', 'two']) await send('POST', `/keys/${name}/create`, { kty: 'EC-HSM' })
    const sasTokenParameters = { storageResourceUri, token: 'x' }
    const one = await finished(await send<Job>('PUT', '/keys/one/restore', { sasTokenParameters, folder }))
    expect(one.status).toBe('Succeeded')
    expect((await send<Key>('GET', '/keys/one')).body.key.kid).toBe(first.key.kid)
    expect((await send<Key>('GET', '/keys/two')).body.key.kid).not.toBe(other.key.kid)
    const all = await finished(await send<Job>('PUT', '/restore', { sasTokenParameters, folderToRestore: folder }))
    expect(all.status).toBe('Succeeded')
    expect((await send<Key>('GET', '/keys/two')).body.key.kid).toBe(other.key.kid)
    await expect(
      send('PUT', '/restore', { sasTokenParameters, folderToRestore: 'mhsm-admin-20200101000000000' }),
    ).rejects.toMatchObject({
      status: 400,
    })
  })
})
