import { describeStores } from '@strongroom/platform/testing'
import { auditLog, openCheckpoint, parseNoteKey, provenEntry, type Fetch } from '@strongroom/transparency'
import { expect, it } from 'vitest'
import { providerUrl } from '../testing/fake-provider.ts'
import { loggedIn } from '../testing/logged.ts'
import { startTenant } from '../testing/tenant.ts'
import { createTestVault, encodedPolicy, keyRequest, principalIds, type TestVault } from '../testing/test-vault.ts'

const host = 'platform.vault.strongroom.internal'
/** An immutable policy that requires a value of one claim. */
const policyOf = (equals: number): { data: string; immutable: boolean } => ({
  data: encodedPolicy({ version: '1.0.0', anyOf: [{ authority: providerUrl, allOf: [{ claim: 'a', equals }] }] }),
  immutable: true,
})

describeStores('the operation log over HTTP', (open) => {
  const started = async (): Promise<{ vault: TestVault; fetch: Fetch }> => {
    const vault = await createTestVault(await open())
    const app = vault.service.hosts[0]!.app
    const fetch: Fetch = async (path) => {
      const answer = await app.inject({
        url: `/operationlog/${path}`,
        headers: { host, authorization: 'Bearer owner' },
      })
      if (answer.statusCode !== 200) throw new Error(`${answer.statusCode} ${path}: ${answer.body}`)
      return answer.rawPayload
    }
    return { vault, fetch }
  }

  it('lets the owner verify that every use of a key is in it', async () => {
    const { vault, fetch } = await started()
    const created = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    expect(created.status).toBe(200)
    const released = await vault.call('orchestrator', 'POST', '/keys/vm-1/release', {
      target: vault.provider.token(vault.claims),
    })
    expect(released.status).toBe(200)
    await vault.call('orchestrator', 'POST', '/keys/vm-1/release', { target: 'no token' })
    const text = async (path: string): Promise<string> => Buffer.from(await fetch(path)).toString('utf8')
    const key = parseNoteKey((await text('key')).trimEnd())
    expect(key.name).toBe(`${host}/operationlog`)
    const checkpoint = await openCheckpoint(await text('checkpoint'), key, key.name)
    const entries: Record<string, unknown>[] = []
    await auditLog({
      checkpoint,
      fetch,
      onEntry: (entry) => void entries.push(JSON.parse(Buffer.from(entry).toString('utf8')) as Record<string, unknown>),
    })
    expect(entries.map((entry) => [entry['operation'], entry['verdict'], entry['appId']])).toEqual([
      ['create', 'allowed', 'control-plane'],
      ['release', 'allowed', 'orchestrator-app'],
      ['release', 'refused', 'orchestrator-app'],
    ])
    const proven = await provenEntry({ checkpoint, index: 1, fetch })
    expect(JSON.parse(Buffer.from(proven).toString('utf8'))).toEqual(entries[1])
    await vault.close()
  })

  it('holds the changes that are refused to anyone who may ask for them', async () => {
    const store = await open()
    const { vault, ok, send } = await startTenant(store, {}, { enablePurgeProtection: true })
    const created = await ok('POST', '/keys/k/create', { ...keyRequest(), release_policy: policyOf(1) })
    const version = (created.key.kid as string).split('/').at(-1)!
    await ok('PUT', '/secrets/s', { value: 'v' })
    for (const path of ['/keys/gone', '/secrets/s']) {
      if (path === '/keys/gone') await ok('POST', `${path}/create`, { kty: 'EC' })
      await ok('DELETE', path)
    }
    const before = (await loggedIn(store, 'kv1')).length
    const requests = [
      ['PATCH', `/keys/k/${version}`, { release_policy: policyOf(2) }],
      ['POST', '/keys/new/create', { kty: 'RSA-HSM', attributes: { exportable: true } }],
      ['POST', '/keys/gone/create', { kty: 'EC' }],
      ['DELETE', '/deletedkeys/gone', undefined],
      ['POST', '/keys/restore', { value: 'AAAA' }],
      ['PUT', '/keys/k/rotationpolicy', { lifetimeActions: 7 }],
      ['PUT', '/secrets/s', { value: 'w' }],
      ['DELETE', '/deletedsecrets/s', undefined],
      ['DELETE', '/keys/none', undefined],
    ] as const
    for (const [method, path, body] of requests) expect((await send(method, path, body)).status).toBeGreaterThan(399)
    const logged = (await loggedIn(store, 'kv1')).slice(before)
    expect(logged.every(({ verdict, objectId }) => verdict === 'refused' && objectId === principalIds.alice)).toBe(true)
    expect(logged.map(({ operation, keyName, code }) => `${operation} ${keyName}: ${code}`)).toEqual([
      'update k: BadParameter',
      'create new: BadParameter',
      'create gone: Conflict',
      'purge gone: Forbidden',
      'restore : BadParameter',
      'setRotationPolicy k: BadParameter',
      'secrets/set s: Conflict',
      'secrets/purge s: Forbidden',
    ])
    expect(logged[0]!.keyVersion).toBe(version)
    expect(JSON.stringify(logged)).not.toContain(policyOf(2).data)
    await vault.close()
  })

  it('is read by nobody else, and a refusal to read it is an entry of its own', async () => {
    const { vault, fetch } = await started()
    for (const path of ['checkpoint', 'key', 'tile/0/000.p/1', 'tile/entries/000.p/1']) {
      expect((await vault.call(undefined, 'GET', `/operationlog/${path}`)).status).toBe(401)
      for (const principal of ['orchestrator', 'controlPlane'] as const) {
        const refused = await vault.call(principal, 'GET', `/operationlog/${path}`)
        expect([refused.status, refused.body.error.code]).toEqual([403, 'Forbidden'])
      }
    }
    expect(
      Buffer.from(await fetch('checkpoint'))
        .toString('utf8')
        .split('\n')[1],
    ).toBe('8')
    await vault.close()
  })

  it('answers 404 for tiles beyond its end and for paths that are none', async () => {
    const { vault } = await started()
    for (const path of ['0/000', '0/000.p/1', 'entries/000', '0/0', '9/000', 'entries/..%2fkey', '0/000.p/300']) {
      const answer = await vault.call('owner', 'GET', `/operationlog/tile/${path}`)
      expect([path, answer.status, answer.body.error.code]).toEqual([path, 404, 'TileNotFound'])
    }
    await vault.close()
  })
})
