import { describeStores } from '@strongroom/platform/testing'
import { auditLog, openCheckpoint, parseNoteKey, provenEntry, type Fetch } from '@strongroom/transparency'
import { expect, it } from 'vitest'
import { createTestVault, keyRequest, type TestVault } from '../testing/test-vault.ts'

const host = 'platform.vault.strongroom.internal'

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
      ['create', 'allowed', 'controlPlane-app'],
      ['release', 'allowed', 'orchestrator-app'],
      ['release', 'refused', 'orchestrator-app'],
    ])
    const proven = await provenEntry({ checkpoint, index: 1, fetch })
    expect(JSON.parse(Buffer.from(proven).toString('utf8'))).toEqual(entries[1])
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
