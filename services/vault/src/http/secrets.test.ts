import { readdirSync, readFileSync } from 'node:fs'
import type { Store } from '@strongroom/platform'
import { describeStores, refuseInserts } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { loggedIn } from '../testing/logged.ts'
import { principalIds } from '../testing/test-vault.ts'
import { refusalOf, startTenant } from '../testing/tenant.ts'

const base = 'https://kv1.vault.strongroom.internal/secrets'

describeStores('secrets', (open) => {
  const started = async (): ReturnType<typeof startTenant> => startTenant(await open())

  it('are set, read, updated and listed with the fields clients read', async () => {
    const { vault, ok, send } = await started()
    const made = await ok('PUT', '/secrets/Pass-Word', { value: 'één', contentType: 'text/plain', tags: { a: 'b' } })
    const { value, ...rest } = made
    expect(made).toMatchObject({
      value: 'één',
      id: expect.stringMatching(new RegExp(`^${base}/Pass-Word/[0-9a-f]{32}$`)),
      contentType: 'text/plain',
      attributes: { enabled: true, recoveryLevel: 'Recoverable+Purgeable', recoverableDays: 90 },
      tags: { a: 'b' },
    })
    expect(await ok('GET', '/secrets/pass-word/')).toEqual(made)
    expect(await ok('PATCH', '/secrets/Pass-Word', { contentType: 'x' })).toEqual({ ...rest, contentType: 'x' })
    const next = await ok('PUT', '/secrets/pass-word', { value: '' })
    expect((await ok('GET', '/secrets/Pass-Word')).value).toBe('')
    expect((await ok('GET', `/secrets/Pass-Word/${made.id.split('/').at(-1)}`)).value).toBe(value)
    const list = await ok('GET', '/secrets')
    expect(list.value).toMatchObject([{ id: `${base}/Pass-Word` }])
    expect(JSON.stringify(list)).not.toContain('één')
    expect((await ok('GET', '/secrets/Pass-Word/versions?maxresults=1')).nextLink).toContain('$skiptoken')
    expect(next.id).not.toBe(made.id)
    expect(refusalOf(await send('GET', '/secrets/none'))).toEqual([404, 'SecretNotFound', 'none'])
    await vault.close()
  })

  it('give their value only while they are enabled and inside their times', async () => {
    const { vault, ok, send } = await started()
    const now = Math.floor(vault.clock.now().getTime() / 1000)
    await ok('PUT', '/secrets/s', { value: 'canary', attributes: { nbf: now + 60 } })
    const reason = async (): Promise<unknown> => refusalOf(await send('GET', '/secrets/s'))[1]
    expect(await reason()).toBe('SecretNotYetValid')
    await ok('PATCH', '/secrets/s', { attributes: { nbf: now - 60, exp: now - 30 } })
    expect(await reason()).toBe('SecretExpired')
    await ok('PATCH', '/secrets/s', { attributes: { exp: now + 60, enabled: false } })
    expect(await reason()).toBe('SecretDisabled')
    await ok('PATCH', '/secrets/s', { attributes: { enabled: true } })
    expect((await ok('GET', '/secrets/s')).value).toBe('canary')
    await vault.close()
  })

  it('are refused where they are not text, too long, or under a name that is a path', async () => {
    const { vault, ok, send } = await started()
    for (const body of [{}, { value: null }, { value: 1 }, { value: ['x'] }, { value: 'x'.repeat(25 * 1024 + 1) }]) {
      expect(refusalOf(await send('PUT', '/secrets/s', body))).toEqual([400, 'BadParameter', 'value'])
    }
    await ok('PUT', '/secrets/s', { value: 'x'.repeat(25 * 1024) })
    expect(refusalOf(await send('PUT', '/secrets/s', { value: 'x', contentType: 'c'.repeat(256) }))[2]).toBe(
      'contentType',
    )
    expect(refusalOf(await send('PUT', '/secrets/s', { value: 'x', tags: { a: 'b'.repeat(257) } }))[2]).toBe('tags.a')
    for (const name of ['..%2f..%2fetc', 'a.b', 'a%00', 'a_b', 'x'.repeat(128)]) {
      expect([name, (await send('PUT', `/secrets/${name}`, { value: 'x' })).status]).toEqual([name, 400])
    }
    await vault.close()
  })

  it('are nowhere in the store, the log or an error in the clear', async () => {
    const store = await open()
    const { vault, ok, send } = await startTenant(store)
    const canary = 'canary-7f3b9d'
    await ok('PUT', '/secrets/s', { value: canary })
    await ok('POST', '/secrets/s/backup')
    const refused = await send('PUT', '/secrets/s', { value: { canary } })
    expect(JSON.stringify(refused.body)).not.toContain(canary)
    const rows = [await store.db.selectFrom('secret_version').selectAll().execute(), await loggedIn(store, 'kv1')]
    for (const writing of [canary, Buffer.from(canary).toString('base64'), Buffer.from(canary).toString('hex')]) {
      expect(JSON.stringify(rows)).not.toContain(writing)
      expect(storedText(store)).not.toContain(writing)
    }
    await vault.close()
  })

  it('of an edited row open nothing: moved, renamed or swapped they are refused', async () => {
    const store = await open()
    const { vault, ok, send } = await startTenant(store)
    await ok('PUT', '/secrets/mine', { value: 'mine' })
    await ok('PUT', '/secrets/other', { value: 'other' })
    const { sealed } = (await store.db
      .selectFrom('secret_version')
      .select('sealed')
      .where('name', '=', 'other')
      .executeTakeFirstOrThrow()) as { sealed: string }
    await store.db.updateTable('secret_version').set({ sealed }).where('name', '=', 'mine').execute()
    const answer = await send('GET', '/secrets/mine')
    expect([answer.status, answer.body.error.code, answer.body.value]).toEqual([500, 'SecretUnreadable', undefined])
    await vault.close()
  })

  it('are deleted softly, recovered, purged, backed up and restored', async () => {
    const { vault, ok, send } = await started()
    await ok('PUT', '/secrets/s', { value: 'one' })
    await ok('PUT', '/secrets/s', { value: 'two' })
    const backup = await ok('POST', '/secrets/s/backup')
    const deleted = await ok('DELETE', '/secrets/s')
    expect(deleted).toMatchObject({ recoveryId: 'https://kv1.vault.strongroom.internal/deletedsecrets/s' })
    expect(deleted.value).toBeUndefined()
    expect((await send('GET', '/secrets/s')).status).toBe(404)
    expect(refusalOf(await send('PUT', '/secrets/s', { value: 'x' }))[1]).toBe('ObjectIsDeletedButRecoverable')
    expect((await ok('GET', '/deletedsecrets')).value).toHaveLength(1)
    expect((await ok('GET', '/deletedsecrets/s')).id).toBe(deleted.id)
    await ok('POST', '/deletedsecrets/s/recover')
    expect((await ok('GET', '/secrets/s')).value).toBe('two')
    await ok('DELETE', '/secrets/s')
    expect((await send('DELETE', '/deletedsecrets/s')).status).toBe(204)
    expect((await ok('POST', '/secrets/restore', backup)).id).toBe(deleted.id)
    expect((await ok('GET', '/secrets/s')).value).toBe('two')
    expect((await ok('GET', '/secrets/s/versions')).value).toHaveLength(2)
    await vault.close()
  })

  it('leave a trace of every reading, and do not leave where it cannot be written', async () => {
    const store = await open()
    const { vault, ok, send } = await startTenant(store)
    await ok('PUT', '/secrets/s', { value: 'v' })
    await ok('GET', '/secrets/s')
    await send('GET', '/secrets/s', undefined, 'bob')
    expect((await loggedIn(store, 'kv1')).slice(-3)).toMatchObject([
      { operation: 'secrets/set', verdict: 'allowed', objectId: principalIds.alice, keyName: 's' },
      { operation: 'secrets/get', verdict: 'allowed', objectId: principalIds.alice },
      { operation: 'secrets/get', verdict: 'refused', objectId: principalIds.bob, code: 'Forbidden' },
    ])
    await refuseInserts(store, 'log_entry')
    const refused = await send('GET', '/secrets/s')
    expect([refused.status, refused.body.value]).toEqual([503, undefined])
    await vault.close()
  })
})

/** Bytes of the database's files; Postgres's belong to its server. */
function storedText(store: Store): string {
  if (store.engine === 'postgres') return ''
  const directory = store.url.slice('sqlite:'.length)
  return readdirSync(directory)
    .map((name) => readFileSync(`${directory}/${name}`, 'latin1'))
    .join('')
}
