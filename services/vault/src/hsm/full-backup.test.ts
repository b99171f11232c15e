import { createHash, createPublicKey, verify } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeStores } from '@strongroom/platform/testing'
import type { SelectQueryBuilder } from 'kysely'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { prepareUpload } from '../testing/holders.ts'
import {
  activeHsm,
  cryptoOfficerRole,
  cryptoUserRole,
  holders,
  startHsm,
  storageOf,
  type TestHsm,
} from '../testing/test-hsm.ts'
import type { Answer } from '../testing/test-vault.ts'

const storage = storageOf('pool-a')

let stateDir: string
beforeAll(() => void (stateDir = mkdtempSync(join(tmpdir(), 'strongroom-hsm-'))))
afterAll(() => rmSync(stateDir, { recursive: true }))

describeStores('a full backup of a managed HSM', (open) => {
  const started = async (name?: string): Promise<TestHsm> => startHsm(await open(), stateDir, name)
  const activated = async (name?: string): Promise<TestHsm> => activeHsm(await open(), stateDir, name)

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
    // Before it has the domain, or with another domain, nothing in the backup opens.
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
    expect((await pool.assign('owner', cryptoUserRole)).body.error?.code ?? 'made').toBe('RoleAssignmentExists')

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

    // One key comes back alone; the other losses remain.
    await pool.owner('POST', '/keys/sign/create', { kty: 'EC-HSM' })
    await pool.owner('POST', '/keys/new/create', { kty: 'EC-HSM' })
    const one = { sasTokenParameters: storage, folder }
    expect((await pool.owner('PUT', '/keys/sign/restore', one)).status).toBe(202)
    expect((await pool.owner('GET', '/keys/sign')).body.key.x).toBe(made.body.key.x)
    expect((await pool.owner('GET', '/keys/new')).status).toBe(200)
    expect((await pool.owner('PUT', '/keys/never/restore', one)).status).toBe(400)
    await pool.vault.close()
  })

  it('is backed up while keys are made, changed and purged, and restored to keys that are whole', async () => {
    const hsm = await activated('pool-e')
    expect((await hsm.assign('owner', cryptoOfficerRole)).status).toBe(201)
    const container = 'pool-e-container'
    const parameters = { ...storage, storageResourceUri: `https://backup.strongroom.internal/${container}` }
    const load = async (worker: number): Promise<void> => {
      for (let index = 0; index < 6; index++) {
        const name = `k-${worker}-${index}`
        await hsm.owner('POST', `/keys/${name}/create`, { kty: 'EC-HSM' })
        await hsm.owner('POST', `/keys/${name}/create`, { kty: 'EC-HSM' })
        if (index % 3 !== 2) continue
        await hsm.owner('DELETE', `/keys/${name}`)
        await hsm.owner('DELETE', `/deletedkeys/${name}`)
      }
    }
    const folders: string[] = []
    const backups = async (): Promise<void> => {
      for (let round = 0; round < 12; round++) {
        const answer = await hsm.owner('POST', '/backup', parameters)
        folders.push(answer.body.azureStorageBlobContainerUri.split('/').at(-1))
      }
    }
    await Promise.all([load(0), load(1), load(2), load(3), backups(), backups()])
    for (const folder of new Set(folders)) {
      const restored = await hsm.owner('PUT', '/restore', { sasTokenParameters: parameters, folderToRestore: folder })
      expect(restored.status).toBe(202)
      const { value } = (await hsm.owner('GET', '/keys')).body as { value: { kid: string }[] }
      for (const { kid } of value) {
        const name = kid.split('/').at(-1)!
        const versions = (await hsm.owner('GET', `/keys/${name}/versions`)).body.value as { kid: string }[]
        expect(versions.length).toBeGreaterThan(0)
        for (const version of versions) {
          const path = `/keys/${name}/${version.kid.split('/').at(-1)}/sign`
          const body = { alg: 'ES256', value: Buffer.alloc(32).toString('base64url') }
          expect((await hsm.owner('POST', path, body)).status).toBe(200)
        }
      }
    }
    await hsm.vault.close()
  })

  it('leaves the half of a key out of its backup that was made or purged between the two reads', async () => {
    const hsm = await activated('pool-f')
    expect((await hsm.assign('owner', cryptoOfficerRole)).status).toBe(201)
    const parameters = { ...storage, storageResourceUri: 'https://backup.strongroom.internal/pool-f-container' }
    for (const name of ['kept', 'early']) await hsm.owner('POST', `/keys/${name}/create`, { kty: 'EC-HSM' })
    const { db } = hsm.store
    const selectFrom: (table: string) => SelectQueryBuilder<Record<string, Record<string, string>>, string, object> =
      db.selectFrom.bind(db) as never
    const between = async (): Promise<void> => {
      await hsm.owner('POST', '/keys/late/create', { kty: 'EC-HSM' })
      await hsm.owner('DELETE', '/keys/early')
      expect((await hsm.owner('DELETE', '/deletedkeys/early')).status).toBe(204)
    }
    const spy = vi.spyOn(db, 'selectFrom').mockImplementation(((table: string) => {
      if (table !== 'key_version') return selectFrom(table)
      spy.mockRestore()
      const execute = async (vault: string): Promise<unknown> => {
        await between()
        return selectFrom(table).selectAll().where('vault', '=', vault).execute()
      }
      return {
        selectAll: () => ({ where: (_: string, __: string, vault: string) => ({ execute: () => execute(vault) }) }),
      }
    }) as unknown as typeof db.selectFrom)
    const { azureStorageBlobContainerUri } = (await hsm.owner('POST', '/backup', parameters)).body
    const folderToRestore = azureStorageBlobContainerUri.split('/').at(-1)
    expect((await hsm.owner('PUT', '/restore', { sasTokenParameters: parameters, folderToRestore })).status).toBe(202)
    for (const table of ['key_object', 'key_version']) {
      expect([table, (await selectFrom(table).select('name').execute()).map(({ name }) => name)]).toEqual([
        table,
        ['kept'],
      ])
    }
    await hsm.vault.close()
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
})

/** The encryption outputs that decryption needs. */
function fields(sealed: Answer): object {
  const { value, iv, tag } = sealed.body as { value: string; iv: string; tag: string }
  return { value, iv, tag }
}
