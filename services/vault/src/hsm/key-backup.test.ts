import { tmpdir } from 'node:os'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { loggedIn } from '../testing/logged.ts'
import { activeHsm, cryptoOfficerRole, cryptoUserRole, holders, TestHsm } from '../testing/test-hsm.ts'
import { prepareUpload } from '../testing/holders.ts'
import { adminGrant, type Answer } from '../testing/test-vault.ts'

const restored = ({ status, body }: Answer): unknown[] => [status, body.error?.code, body.error?.target]
const refused = [400, 'BadParameter', 'value']

describeStores('the backup of a managed HSM’s key', (open) => {
  const started = async (): Promise<{ hsm: TestHsm; backup: { value: string }; x: string }> => {
    const hsm = await activeHsm(await open(), tmpdir())
    const made = await hsm.owner('POST', '/keys/k/create', { kty: 'EC-HSM' })
    return { hsm, backup: (await hsm.owner('POST', '/keys/k/backup')).body, x: made.body.key.x }
  }

  it('is of no use in a vault, whoever may restore there, nor is a vault’s in a managed HSM', async () => {
    const { hsm, backup } = await started()
    await hsm.vault.putVault('kv1', { grants: [adminGrant('alice')] })
    const alice = (path: string, body?: object): Promise<Answer> =>
      hsm.vault.call('alice', 'POST', path, body, 'kv1.vault.strongroom.internal')
    expect(restored(await alice('/keys/restore', backup))).toEqual(refused)
    expect((await loggedIn(hsm.store, 'kv1')).at(-1)).toMatchObject({ operation: 'restore', verdict: 'refused' })
    for (const kty of ['EC', 'EC-HSM']) {
      await alice(`/keys/${kty}/create`, { kty })
      const { body } = await alice(`/keys/${kty}/backup`)
      expect(restored(await hsm.owner('POST', '/keys/restore', body))).toEqual(refused)
    }
    await hsm.vault.close()
  })

  it('comes back into its security domain, and into no other', async () => {
    const { hsm, backup, x } = await started()
    const domain = (await hsm.download()).body.value as string
    const other = new TestHsm(hsm.vault, 'hsm2', hsm.store)
    expect((await other.create()).status).toBe(201)
    expect((await other.assign('owner', cryptoUserRole)).status).toBe(201)
    const { transfer_key } = (await other.owner('GET', '/securitydomain/upload')).body
    const value = await prepareUpload({ domain, holders: holders.slice(1), transferKey: transfer_key })
    expect((await other.owner('POST', '/securitydomain/upload', { value })).status).toBe(202)
    const stranger = new TestHsm(hsm.vault, 'hsm3', hsm.store)
    expect((await stranger.create()).status).toBe(201)
    expect((await stranger.download()).status).toBe(202)
    expect((await stranger.assign('owner', cryptoUserRole)).status).toBe(201)
    expect(restored(await stranger.owner('POST', '/keys/restore', backup))).toEqual(refused)
    expect((await other.owner('POST', '/keys/restore', backup)).body.key.x).toBe(x)
    expect((await hsm.assign('owner', cryptoOfficerRole)).status).toBe(201)
    await hsm.owner('DELETE', '/keys/k')
    await hsm.owner('DELETE', '/deletedkeys/k')
    expect((await hsm.owner('POST', '/keys/restore', backup)).body.key.x).toBe(x)
    await hsm.vault.close()
  })
})
