import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { managedHsmHost, managedHsmResource, managedHsmVaultName } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { canaryOf, foundIn } from '../testing/canaries.ts'
import { loggedIn } from '../testing/logged.ts'
import {
  activeHsm,
  authorization,
  cryptoOfficerRole,
  cryptoUserRole,
  startHsm,
  storageOf,
  TestHsm,
} from '../testing/test-hsm.ts'
import { createTestVault, keyRequest, principalIds, type Answer } from '../testing/test-vault.ts'
import { unwrapRelease } from '../testing/unwrap.ts'
import { builtInRoles } from './roles.ts'

const storage = storageOf('pool-a')

let stateDir: string
beforeAll(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'strongroom-hsm-'))
})
afterAll(() => rmSync(stateDir, { recursive: true }))

describeStores('a managed HSM', (open) => {
  const started = async (name?: string): Promise<TestHsm> => startHsm(await open(), stateDir, name)
  const activated = async (name?: string): Promise<TestHsm> => activeHsm(await open(), stateDir, name)

  it('is asked for the end of an operation at its name as it was spelled, by which clients know it', async () => {
    const store = await open()
    // Clients send the host in lower case, whatever was typed.
    const hsm = new TestHsm(await createTestVault(store, { stateDir }), 'myhsm', store)
    await hsm.create({
      resourceId: '/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/managedHSMs/MyHsm',
    })
    const { headers } = await hsm.download()
    expect(headers['azure-asyncoperation']).toMatch(/^https:\/\/MyHsm\.managedhsm\./)
  })

  it('serves no key before its security domain was handed out, whatever the role', async () => {
    const hsm = await started()
    expect((await hsm.assign('owner', cryptoUserRole)).status).toBe(201)
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

  it('has a setting that is off, shows it to its administrator alone, and never says that it was turned on', async () => {
    const hsm = await activated()
    const path = '/settings/AllowKeyManagementOperationsThroughARM'
    const off = { name: 'AllowKeyManagementOperationsThroughARM', value: 'false', type: 'boolean' }
    expect((await hsm.owner('GET', '/settings')).body).toEqual({ settings: [off] })
    expect((await hsm.owner('PATCH', path, { value: 'False' })).body).toEqual(off)
    for (const value of ['true', true, ['false'], null, undefined]) {
      const refused = await hsm.owner('PATCH', path, { value })
      expect([refused.status, refused.body.error.code, refused.body.error.target]).toEqual([
        400,
        'BadParameter',
        'value',
      ])
    }
    expect((await hsm.owner('GET', path)).body).toEqual(off)
    expect((await hsm.owner('GET', '/settings/other')).status).toBe(404)
    await hsm.assign('orchestrator', cryptoOfficerRole)
    for (const [method, at] of [
      ['GET', '/settings'],
      ['PATCH', path],
    ] as const)
      expect((await hsm.as('orchestrator', method, at, { value: 'false' })).status).toBe(403)
    await hsm.vault.close()
  })

  it('lets each role do what Azure lets it do, and nothing else', async () => {
    const hsm = await activated()
    // Administrator of the HSM and administrator of its keys are two roles.
    const controlPlane = await hsm.as('controlPlane', 'GET', '/keys')
    expect([controlPlane.status, controlPlane.body.error.code]).toEqual([403, 'Forbidden'])
    await hsm.owner('POST', '/keys/k/create', { kty: 'EC-HSM' })
    await hsm.owner('POST', '/keys/other/create', { kty: 'EC-HSM' })
    expect((await hsm.assign('orchestrator', '2c18b078-7c48-4d3a-af88-5a3a1b3f82b3')).status).toBe(201)
    expect((await hsm.as('orchestrator', 'GET', '/keys/k')).status).toBe(200)
    expect((await hsm.as('orchestrator', 'DELETE', '/keys/k')).status).toBe(403)
    expect((await hsm.assign('controlPlane', cryptoUserRole, '/keys/k')).status).toBe(201)
    expect((await hsm.as('controlPlane', 'GET', '/keys/k')).status).toBe(200)
    expect((await hsm.as('controlPlane', 'GET', '/keys/other')).status).toBe(403)
    expect((await hsm.as('controlPlane', 'GET', '/keys')).status).toBe(403)
    expect((await hsm.owner('DELETE', '/keys/k')).status).toBe(200)
    expect((await hsm.owner('DELETE', '/deletedkeys/k')).status).toBe(403)
    expect((await hsm.assign('owner', cryptoOfficerRole)).status).toBe(201)
    expect((await hsm.owner('DELETE', '/deletedkeys/k')).status).toBe(204)
    const denied = await hsm.as('controlPlane', 'POST', '/securitydomain/download', {})
    expect(denied.status).toBe(403)
    const entries = await loggedIn(hsm.store, 'hsm1.managedhsm')
    expect(entries.at(-1)).toMatchObject({ operation: 'securitydomain/download', verdict: 'refused' })
    await hsm.vault.close()
  })

  it('refuses members of roles and assignments that have no effect, by name', async () => {
    const hsm = await activated()
    const put = async (kind: string, properties: object): Promise<unknown> => {
      const { status, body } = await hsm.owner('PUT', `${authorization}/${kind}/${randomUUID()}`, { properties })
      return status < 300 ? status : [status, body.error.code, body.error.target]
    }
    const action = 'Microsoft.KeyVault/managedHsm/keys/read/action'
    const role = async (permission: object, more: object = {}): Promise<unknown> =>
      await put('roleDefinitions', { roleName: 'X', permissions: [{ dataActions: [action], ...permission }], ...more })
    const given = { roleDefinitionId: `x/${cryptoUserRole}`, principalId: principalIds.orchestrator }
    const at = 'properties.permissions[0].'
    expect([
      await role({ condition: 'x' }),
      await role({ notDataAction: [action] }),
      await role({ notActions: ['*'] }),
      await role({}, { notDataActions: [action] }),
      await put('roleAssignments', { ...given, condition: 'x', conditionVersion: '2.0' }),
      await put('roleAssignments', { ...given, scope: '/keys/k' }),
    ]).toEqual([
      [400, 'BadParameter', `${at}condition`],
      [400, 'BadParameter', `${at}notDataAction`],
      [400, 'BadParameter', 'properties.permissions.notActions'],
      [400, 'BadParameter', 'properties.notDataActions'],
      [400, 'BadParameter', 'properties.condition'],
      [400, 'BadParameter', 'properties.scope'],
    ])
    const whole = { actions: [], notActions: [], notDataActions: null, condition: null }
    expect(await role(whole, { type: 'CustomRole', description: 'd' })).toBe(201)
    expect(await put('roleAssignments', { ...given, scope: '/', condition: null })).toBe(201)
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
    const nothing = { properties: { roleName: 'X', permissions: [null] } }
    for (const body of [unknown, nothing])
      expect((await hsm.owner('PUT', `${authorization}/roleDefinitions/${randomUUID()}`, body)).status).toBe(400)
    const builtIn = `${authorization}/roleDefinitions/${cryptoUserRole}`
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
    const given = `role ${id} of ${principalIds.orchestrator} at /keys`
    const read = 'Microsoft.KeyVault/managedHsm/keys/read/action'
    const logged = (await loggedIn(hsm.store, 'hsm1.managedhsm')).filter(({ operation }) =>
      operation.startsWith('role'),
    )
    expect(
      logged.slice(-10).map(({ operation, verdict, code, subject }) => [operation, code ?? verdict, subject]),
    ).toEqual([
      ['roleDefinitions/write', 'allowed', `role ${id}: ${read}`],
      ['roleDefinitions/write', 'BadParameter', undefined],
      ['roleDefinitions/write', 'BadParameter', undefined],
      ['roleDefinitions/write', 'BuiltInRole', undefined],
      ['roleDefinitions/delete', 'BuiltInRole', undefined],
      ['roleAssignments/write', 'allowed', given],
      ['roleDefinitions/delete', 'RoleDefinitionHasAssignments', undefined],
      ['roleAssignments/write', 'RoleAssignmentExists', undefined],
      ['roleAssignments/delete', 'allowed', given],
      ['roleDefinitions/delete', 'allowed', `role ${id}: ${read}`],
    ])
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
    expect((await hsm.assign('orchestrator', cryptoOfficerRole, '/keys/k')).status).toBe(201)
    const principal = principalIds.orchestrator
    const assign = (scope: string): Promise<Answer> =>
      hsm.as('orchestrator', 'PUT', `${scope}${authorization}/roleAssignments/${randomUUID()}`, {
        properties: { roleDefinitionId: cryptoUserRole, principalId: principal },
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

  it('releases a key by its policy, to anyone who has the role of a releaser', async () => {
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
    // Released material is in no backup in clear: its bytes are searched for in each encoding.
    const backup = await hsm.owner('POST', '/backup', storage)
    const folder: string = backup.body.azureStorageBlobContainerUri.split('/').at(-1)
    const content = readFileSync(join(stateDir, 'hsm-backups/pool-a', folder))
    expect(content.length).toBeGreaterThan(secret.length)
    expect(foundIn(content, [canaryOf('released key', secret.subarray(300, 360))])).toEqual([])
    const refused = await hsm.as('orchestrator', 'POST', '/keys/disk/release', { target: vault.provider.token({}) })
    expect(refused.status).toBe(403)
    await vault.close()
  })

  it('holds as many keys and versions as Azure lets it, and says that there are no more', async () => {
    const hsm = await activated()
    const create = (name: string): Promise<Answer> => hsm.owner('POST', `/keys/${name}/create`, { kty: 'EC-HSM' })
    for (let version = 0; version < 100; version++) expect((await create('many')).status).toBe(200)
    const full = await create('many')
    expect([full.status, full.body.error.innererror.code]).toEqual([403, 'KeyLimitReached'])
    expect(full.body.error.message).toContain('100 versions of the key many')
    expect((await hsm.assign('owner', cryptoOfficerRole)).status).toBe(201)
    await create('gone')
    const backup = (await hsm.owner('POST', '/keys/gone/backup')).body as object
    await hsm.owner('DELETE', '/keys/gone')
    expect((await hsm.owner('DELETE', '/deletedkeys/gone')).status).toBe(204)
    const rows = Array.from({ length: 4998 }, (_, n) => ({
      vault: managedHsmVaultName('hsm1'),
      name: `k${n}`,
      shown_name: `k${n}`,
    }))
    for (let start = 0; start < rows.length; start += 500) {
      await hsm.store.db
        .insertInto('key_object')
        .values(rows.slice(start, start + 500))
        .execute()
    }
    expect((await create('last')).status).toBe(200)
    for (const refused of [await create('beyond'), await hsm.owner('POST', '/keys/restore', backup)])
      expect([refused.status, refused.body.error.innererror.code]).toEqual([403, 'KeyLimitReached'])
    // It has no row either, and an existing key accepts versions.
    expect((await create('last')).status).toBe(200)
    expect((await hsm.owner('GET', '/keys/beyond')).status).toBe(404)
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
