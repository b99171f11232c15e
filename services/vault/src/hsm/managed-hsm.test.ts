import { createHash, createPublicKey, randomUUID, verify } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { managedHsmHost, managedHsmResource } from '@strongroom/contract'
import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { canaryOf, foundIn } from '../testing/canaries.ts'
import { createHolder, prepareUpload, type TestHolder } from '../testing/holders.ts'
import { loggedIn } from '../testing/logged.ts'
import {
  createTestVault,
  keyRequest,
  principalIds,
  type Answer,
  type Principal,
  type TestVault,
} from '../testing/test-vault.ts'
import { unwrapRelease } from '../testing/unwrap.ts'
import { builtInRoles } from './roles.ts'

const crypto = '21dbd100-6940-42c2-9190-5d6cb909625b'
const officer = '515eb02d-2335-4d2d-92f2-b1cbdf9c3778'
const authorization = '/providers/Microsoft.Authorization'
const storage = { storageResourceUri: 'https://backup.strongroom.internal/pool-a', token: 'sas' }

let stateDir: string
let holders: TestHolder[]
beforeAll(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'strongroom-hsm-'))
  holders = ['a', 'b', 'c'].map(createHolder)
})
afterAll(() => rmSync(stateDir, { recursive: true }))

/** A managed HSM whose administrator is the owner. */
class TestHsm {
  readonly vault: TestVault
  readonly name: string
  readonly store: Store

  constructor(vault: TestVault, name: string, store: Store) {
    this.vault = vault
    this.name = name
    this.store = store
  }

  create(o: object = {}): Promise<Answer> {
    return this.vault.manage('controlPlane', 'PUT', `/managedhsms/${this.name}`, {
      resourceId: `/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/managedHSMs/${this.name}`,
      location: 'westeurope',
      tenantId: randomUUID(),
      initialAdminObjectIds: [principalIds.owner],
      softDeleteRetentionInDays: 7,
      enablePurgeProtection: false,
      tags: {},
      ...o,
    })
  }

  as(principal: Principal, method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
    return this.vault.call(principal, method, path, body, managedHsmHost(this.name))
  }

  owner(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
    return this.as('owner', method, path, body)
  }

  assign(principal: Principal, role: string, scope = ''): Promise<Answer> {
    const properties = {
      roleDefinitionId: `Microsoft.KeyVault${authorization}/roleDefinitions/${role}`,
      principalId: principalIds[principal],
    }
    return this.owner('PUT', `${scope}${authorization}/roleAssignments/${randomUUID()}`, { properties })
  }

  download(required = 2): Promise<Answer> {
    return this.owner('POST', '/securitydomain/download', { certificates: holders.map(({ jwk }) => jwk), required })
  }
}

describeStores('a managed HSM', (open) => {
  const started = async (name = 'hsm1'): Promise<TestHsm> => {
    const store = await open()
    const hsm = new TestHsm(await createTestVault(store, { stateDir }), name, store)
    expect((await hsm.create()).status).toBe(201)
    return hsm
  }
  const activated = async (name?: string): Promise<TestHsm> => {
    const hsm = await started(name)
    expect((await hsm.download()).status).toBe(202)
    expect((await hsm.assign('owner', crypto)).status).toBe(201)
    return hsm
  }

  it('serves no key before its security domain was handed out, whatever the role', async () => {
    const hsm = await started()
    expect((await hsm.assign('owner', crypto)).status).toBe(201)
    const early = await hsm.owner('POST', '/keys/k/create', { kty: 'oct-HSM', key_size: 256 })
    expect([early.status, early.body.error.innererror?.code ?? early.body.error.code]).toEqual([403, 'HsmNotActivated'])
    expect((await hsm.owner('GET', '/securitydomain/download/pending')).body.status).toBe('InProgress')
    const domain = await hsm.download()
    expect([domain.status, domain.headers['azure-asyncoperation']]).toEqual([
      202,
      `https://${managedHsmHost('hsm1')}/securitydomain/download/pending?api-version=7.4`,
    ])
    expect(JSON.parse(domain.body.value).SharedKeys).toMatchObject({ required: 2, key_algorithm: 'shamir_share' })
    expect((await hsm.owner('GET', '/securitydomain/download/pending')).body.status).toBe('Success')
    const made = await hsm.owner('POST', '/keys/k/create', { kty: 'oct-HSM', key_size: 256 })
    expect(made.body.key.kid).toContain(`https://${managedHsmHost('hsm1')}/keys/k/`)
    expect((await hsm.owner('GET', '/keys/k')).body.key.kty).toBe('oct-HSM')
    await hsm.vault.close()
  })

  it('makes HSM-backed keys alone, has no secrets, and challenges for its own resource', async () => {
    const hsm = await activated()
    const soft = await hsm.owner('POST', '/keys/k/create', { kty: 'RSA' })
    expect([soft.status, soft.body.error.target]).toEqual([400, 'kty'])
    expect((await hsm.owner('GET', '/secrets')).status).toBe(404)
    const challenge = await hsm.vault.call(undefined, 'GET', '/keys', undefined, managedHsmHost('hsm1'))
    expect(challenge.headers['www-authenticate']).toContain(`resource="${managedHsmResource}"`)
    expect((await hsm.vault.call('owner', 'GET', '/keys', undefined, managedHsmHost('other'))).status).toBe(404)
    await hsm.vault.close()
  })

  it('lets each role do what Azure lets it do, and nothing else', async () => {
    const hsm = await activated()
    // The administrator of the HSM and of its keys are two roles.
    const controlPlane = await hsm.as('controlPlane', 'GET', '/keys')
    expect([controlPlane.status, controlPlane.body.error.code]).toEqual([403, 'Forbidden'])
    await hsm.owner('POST', '/keys/k/create', { kty: 'EC-HSM' })
    await hsm.owner('POST', '/keys/other/create', { kty: 'EC-HSM' })
    expect((await hsm.assign('orchestrator', '2c18b078-7c48-4d3a-af88-5a3a1b3f82b3')).status).toBe(201)
    expect((await hsm.as('orchestrator', 'GET', '/keys/k')).status).toBe(200)
    expect((await hsm.as('orchestrator', 'DELETE', '/keys/k')).status).toBe(403)
    expect((await hsm.assign('controlPlane', crypto, '/keys/k')).status).toBe(201)
    expect((await hsm.as('controlPlane', 'GET', '/keys/k')).status).toBe(200)
    expect((await hsm.as('controlPlane', 'GET', '/keys/other')).status).toBe(403)
    expect((await hsm.as('controlPlane', 'GET', '/keys')).status).toBe(403)
    expect((await hsm.owner('DELETE', '/keys/k')).status).toBe(200)
    expect((await hsm.owner('DELETE', '/deletedkeys/k')).status).toBe(403)
    expect((await hsm.assign('owner', officer)).status).toBe(201)
    expect((await hsm.owner('DELETE', '/deletedkeys/k')).status).toBe(204)
    const denied = await hsm.as('controlPlane', 'POST', '/securitydomain/download', {})
    expect(denied.status).toBe(403)
    const entries = await loggedIn(hsm.store, 'hsm1.managedhsm')
    expect(entries.at(-1)).toMatchObject({ operation: 'securitydomain/download', verdict: 'refused' })
    await hsm.vault.close()
  })

  it('lists Azure’s built-in roles, keeps custom ones, and takes rights away at once', async () => {
    const hsm = await activated()
    const listed = await hsm.owner('GET', `//${authorization.slice(1)}/roleDefinitions`)
    expect(listed.body.value).toHaveLength(builtInRoles.length)
    expect(listed.body.value[0].properties).toMatchObject({
      roleName: 'Managed HSM Administrator',
      type: 'AKVBuiltInRole',
    })
    const id = randomUUID()
    const path = `${authorization}/roleDefinitions/${id}`
    const dataActions = ['microsoft.keyvault/managedhsm/keys/read/action']
    const custom = { properties: { roleName: 'Reader', permissions: [{ dataActions }], assignableScopes: ['/'] } }
    expect((await hsm.owner('PUT', path, custom)).status).toBe(201)
    const unknown = {
      properties: { roleName: 'X', permissions: [{ dataActions: ['Microsoft.KeyVault/managedHsm/all'] }] },
    }
    expect((await hsm.owner('PUT', `${authorization}/roleDefinitions/${randomUUID()}`, unknown)).status).toBe(400)
    const builtIn = `${authorization}/roleDefinitions/${crypto}`
    expect((await hsm.owner('PUT', builtIn, custom)).status).toBe(409)
    expect((await hsm.owner('DELETE', builtIn)).status).toBe(409)
    const assigned = await hsm.assign('orchestrator', id, '/keys')
    expect(assigned.body).toMatchObject({ properties: { scope: '/keys', principalId: principalIds.orchestrator } })
    expect((await hsm.as('orchestrator', 'GET', '/keys')).status).toBe(200)
    expect((await hsm.owner('DELETE', path)).status).toBe(409)
    const again = await hsm.assign('orchestrator', id, '/keys')
    expect([again.status, again.body.error.code]).toEqual([409, 'RoleAssignmentExists'])
    const filter = encodeURIComponent(`principalId eq '${principalIds.orchestrator}'`)
    expect((await hsm.owner('GET', `${authorization}/roleAssignments?$filter=${filter}`)).body.value).toHaveLength(1)
    const removed = await hsm.owner('DELETE', `/keys${authorization}/roleAssignments/${assigned.body.name}`)
    expect(removed.status).toBe(200)
    expect((await hsm.as('orchestrator', 'GET', '/keys')).status).toBe(403)
    expect((await hsm.owner('DELETE', path)).status).toBe(200)
    await hsm.vault.close()
  })

  it('lets an officer of one key give away that key alone', async () => {
    const hsm = await activated()
    const dataActions = ['Microsoft.KeyVault/managedHsm/keys/read/action']
    const role = (actions: string[]): object => ({
      properties: { roleName: 'Custom', permissions: [{ dataActions: actions }] },
    })
    const path = `${authorization}/roleDefinitions/${randomUUID()}`
    expect((await hsm.owner('PUT', path, role(dataActions))).status).toBe(201)
    expect((await hsm.assign('orchestrator', officer, '/keys/k')).status).toBe(201)
    const principal = principalIds.orchestrator
    const assign = (scope: string): Promise<Answer> =>
      hsm.as('orchestrator', 'PUT', `${scope}${authorization}/roleAssignments/${randomUUID()}`, {
        properties: { roleDefinitionId: crypto, principalId: principal },
      })
    expect((await assign('/keys/k')).status).toBe(201)
    for (const scope of ['', '/keys', '/keys/other']) expect((await assign(scope)).status).toBe(403)
    for (const scope of ['', '/keys', '/keys/k']) {
      const widened = role([...dataActions, 'Microsoft.KeyVault/managedHsm/securitydomain/download/action'])
      expect((await hsm.as('orchestrator', 'PUT', `${scope}${path}`, widened)).status).toBe(403)
      expect((await hsm.as('orchestrator', 'DELETE', `${scope}${path}`)).status).toBe(403)
    }
    await hsm.vault.close()
  })

  it('releases a key by its policy, to who has the role of a releaser', async () => {
    const hsm = await activated()
    expect((await hsm.owner('POST', '/keys/disk/create', keyRequest())).status).toBe(200)
    expect((await hsm.assign('orchestrator', '21dbd100-6940-42c2-9190-5d6cb909625c', '/keys/disk')).status).toBe(201)
    const { vault } = hsm
    const released = await hsm.as('orchestrator', 'POST', '/keys/disk/release', {
      target: vault.provider.token(vault.claims),
    })
    expect(released.status).toBe(200)
    const { transferKey, authority } = vault
    const { secret } = unwrapRelease({ jws: released.body.value, transferKey, caPem: authority.caPem })
    // What was released stands in no backup in clear: its bytes are searched for in each spelling.
    const backup = await hsm.owner('POST', '/backup', storage)
    const folder: string = backup.body.azureStorageBlobContainerUri.split('/').at(-1)
    const content = readFileSync(join(stateDir, 'hsm-backups/pool-a', folder))
    expect(content.length).toBeGreaterThan(secret.length)
    expect(foundIn(content, [canaryOf('released key', secret.subarray(300, 360))])).toEqual([])
    const refused = await hsm.as('orchestrator', 'POST', '/keys/disk/release', { target: vault.provider.token({}) })
    expect(refused.status).toBe(403)
    await vault.close()
  })

  it('is restored in another installation by a quorum of its holders and a full backup', async () => {
    const hsm = await activated('pool-a')
    const domain = await hsm.download()
    const made = await hsm.owner('POST', '/keys/Sign/create', { kty: 'EC-HSM', tags: { a: 'b' } })
    await hsm.owner('POST', '/keys/seal/create', { kty: 'oct-HSM', key_size: 256 })
    const sealed = await hsm.owner('POST', '/keys/seal/encrypt', { alg: 'A256GCM', value: 'c2VjcmV0' })
    const backup = await hsm.owner('POST', '/backup', storage)
    expect(backup.status).toBe(202)
    const polled = await hsm.owner('GET', `/backup/${backup.body.jobId}/pending`)
    expect(polled.body).toMatchObject({
      status: 'Succeeded',
      azureStorageBlobContainerUri: expect.stringContaining('pool-a'),
    })
    const folder = polled.body.azureStorageBlobContainerUri.split('/').at(-1)
    const restore = { sasTokenParameters: storage, folderToRestore: folder }
    await hsm.vault.close()

    const pool = await started('pool-b')
    // Before it has the domain, and with a domain of its own, nothing of the backup opens.
    expect((await pool.owner('PUT', '/restore', restore)).status).toBe(403)
    const other = await activated('pool-c')
    const foreign = await other.owner('PUT', '/restore', restore)
    expect([foreign.status, foreign.body.error.code]).toEqual([400, 'BadParameter'])
    await other.vault.close()

    const { transfer_key } = (await pool.owner('GET', '/securitydomain/upload')).body
    const value = await prepareUpload({
      domain: domain.body.value,
      holders: holders.slice(1),
      transferKey: transfer_key,
    })
    const uploaded = await pool.owner('POST', '/securitydomain/upload', { value })
    expect([uploaded.status, uploaded.body.status]).toEqual([202, 'Success'])
    expect((await pool.owner('POST', '/securitydomain/upload', { value })).status).toBe(409)
    expect((await pool.owner('PUT', '/restore', restore)).status).toBe(202)
    expect((await pool.assign('owner', crypto)).body.error?.code ?? 'made').toBe('RoleAssignmentExists')

    const key = (await pool.owner('GET', '/keys/sign')).body
    expect(key.key).toMatchObject({ x: made.body.key.x, y: made.body.key.y })
    expect(key.tags).toEqual({ a: 'b' })
    const digest = createHash('sha256').update('m').digest()
    const signed = await pool.owner('POST', `/keys/sign/sign`, { alg: 'ES256', value: digest.toString('base64url') })
    const { kty: _kty, kid: _kid, key_ops: _ops, ...point } = made.body.key
    const publicKey = createPublicKey({ key: { ...point, kty: 'EC' }, format: 'jwk' })
    const signature = Buffer.from(signed.body.value, 'base64url')
    expect(verify('sha256', Buffer.from('m'), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true)
    const opened = await pool.owner('POST', '/keys/seal/decrypt', { alg: 'A256GCM', ...fields(sealed) })
    expect(opened.body.value).toBe('c2VjcmV0')

    // One key alone comes back, without the others and their loss.
    await pool.owner('POST', '/keys/sign/create', { kty: 'EC-HSM' })
    await pool.owner('POST', '/keys/new/create', { kty: 'EC-HSM' })
    const one = { sasTokenParameters: storage, folder }
    expect((await pool.owner('PUT', '/keys/sign/restore', one)).status).toBe(202)
    expect((await pool.owner('GET', '/keys/sign')).body.key.x).toBe(made.body.key.x)
    expect((await pool.owner('GET', '/keys/new')).status).toBe(200)
    expect((await pool.owner('PUT', '/keys/never/restore', one)).status).toBe(400)
    await pool.vault.close()
  })

  it('opens no backup that was altered, and leaves its container', async () => {
    const hsm = await activated('pool-d')
    const container = 'pool-d-container'
    const parameters = { ...storage, storageResourceUri: `https://backup.strongroom.internal/${container}` }
    const { azureStorageBlobContainerUri } = (await hsm.owner('POST', '/backup', parameters)).body
    const folder = azureStorageBlobContainerUri.split('/').at(-1)
    const file = join(stateDir, 'hsm-backups', container, folder)
    const bytes = readFileSync(file)
    bytes[bytes.length - 20]! ^= 1
    writeFileSync(file, bytes)
    const altered = await hsm.owner('PUT', '/restore', { sasTokenParameters: parameters, folderToRestore: folder })
    expect([altered.status, altered.body.error.code]).toEqual([400, 'BadParameter'])
    for (const wrong of ['../../ca.key.sealed', `${folder}/..`, 'mhsm-x-1', undefined]) {
      const answer = await hsm.owner('PUT', '/restore', { sasTokenParameters: parameters, folderToRestore: wrong })
      expect(answer.status).toBe(400)
    }
    for (const uri of ['https://example.com/x', 'file:///etc', 'https://backup.strongroom.internal/../x', 7]) {
      expect((await hsm.owner('POST', '/backup', { ...parameters, storageResourceUri: uri })).status).toBe(400)
    }
    expect(readdirSync(join(stateDir, 'hsm-backups', container))).toContain(folder)
    await hsm.vault.close()
  })

  it('is deleted softly, recovered with its keys, and purged with them', async () => {
    const hsm = await activated()
    await hsm.owner('POST', '/keys/k/create', { kty: 'EC-HSM' })
    const path = '/managedhsms/hsm1'
    expect((await hsm.vault.manage('controlPlane', 'DELETE', path)).status).toBe(200)
    expect((await hsm.owner('GET', '/keys/k')).status).toBe(404)
    expect((await hsm.create()).status).toBe(409)
    expect((await hsm.vault.manage('controlPlane', 'POST', '/deletedmanagedhsms/hsm1/recover')).status).toBe(200)
    expect((await hsm.owner('GET', '/keys/k')).status).toBe(200)
    await hsm.vault.manage('controlPlane', 'DELETE', path)
    expect((await hsm.vault.manage('owner', 'DELETE', '/deletedmanagedhsms/hsm1')).status).toBe(403)
    expect((await hsm.vault.manage('controlPlane', 'DELETE', '/deletedmanagedhsms/hsm1')).status).toBe(204)
    expect((await hsm.create()).status).toBe(201)
    expect((await hsm.vault.service.verifyOperationLog()).broken).toBeUndefined()
    await hsm.vault.close()
  })
})

/** What a decryption wants of what an encryption gave. */
function fields(sealed: Answer): object {
  const { value, iv, tag } = sealed.body as { value: string; iv: string; tag: string }
  return { value, iv, tag }
}
