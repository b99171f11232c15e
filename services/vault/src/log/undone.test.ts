import { describeStores } from '@strongroom/platform/testing'
import type { Kysely } from 'kysely'
import { expect, it } from 'vitest'
import { createTestVault, keyRequest } from '../testing/test-vault.ts'
import type { LogTables } from './tables.ts'

describeStores('a release', (open) => {
  it('is refused while the last entry is undone in the store of the running service', async () => {
    const store = await open()
    const vault = await createTestVault(store)
    const created = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    const version = (created.body.key.kid as string).split('/').at(-1)
    const target = vault.provider.token(vault.claims)
    const path = `/keys/vm-1/${version}/release`
    const db = store.db as Kysely<LogTables>
    const heads = (): Promise<LogTables['log_head']> =>
      db.selectFrom('log_head').selectAll().where('vault', '=', 'platform').executeTakeFirstOrThrow()
    const earlier = await heads()
    expect((await vault.call('orchestrator', 'POST', path, { target })).status).toBe(200)
    const later = await heads()
    const last = await db
      .selectFrom('log_entry')
      .selectAll()
      .where('position', '=', earlier.size)
      .executeTakeFirstOrThrow()
    await db.deleteFrom('log_entry').where('position', '=', earlier.size).execute()
    await db.updateTable('log_head').set(earlier).where('vault', '=', 'platform').execute()
    for (let again = 0; again < 2; again++) {
      const refused = await vault.call('orchestrator', 'POST', path, { target })
      expect([refused.status, refused.body.error.code, refused.body.value]).toEqual([
        503,
        'OperationLogAltered',
        undefined,
      ])
      expect(refused.body.error.innererror).toMatchObject({
        expected: `at least ${later.size} entries`,
        found: `${earlier.size} entries`,
        remedy: expect.stringContaining('restore its last state') as string,
      })
    }
    const creation = await vault.call('controlPlane', 'POST', '/keys/vm-2/create', keyRequest())
    expect([creation.status, creation.body.error.code]).toEqual([503, 'OperationLogAltered'])
    expect((await vault.service.verifyOperationLog()).broken?.vault).toBe('platform')
    await db.insertInto('log_entry').values(last).execute()
    await db.updateTable('log_head').set(later).where('vault', '=', 'platform').execute()
    expect((await vault.call('orchestrator', 'POST', path, { target })).status).toBe(200)
    expect((await vault.service.verifyOperationLog()).broken).toBeUndefined()
    await vault.close()
  })
})
