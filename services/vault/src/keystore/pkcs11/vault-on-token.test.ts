import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSealer } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createSoftHsm, hasSoftHsm, softhsmModule, type SoftHsm } from '../../testing/softhsm.ts'
import { adminGrant, createTestVault, keyRequest } from '../../testing/test-vault.ts'
import { unwrapRelease } from '../../testing/unwrap.ts'
import type { Pkcs11Configuration } from '../configuration.ts'
import { loadModule } from './module.ts'

let hsm: SoftHsm | undefined
let directory: string
let keystore: Pkcs11Configuration
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'strongroom-token-'))
  if (!hasSoftHsm) return
  hsm = createSoftHsm()
  hsm.addToken('vault')
  writeFileSync(join(directory, 'pin'), hsm.pin, { mode: 0o600 })
  const pinFile = join(directory, 'pin')
  keystore = { kind: 'pkcs11', module: softhsmModule, token: 'vault', pinFile, transportKey: 'memory' }
})
afterAll(() => {
  hsm?.remove()
  rmSync(directory, { recursive: true })
})

/** How many private keys the token holds permanently. */
async function keysInToken(): Promise<number> {
  const { binding: b, module } = await loadModule(softhsmModule)
  const slot = module.C_GetSlotList(true).find((each) => module.C_GetTokenInfo(each).label.trimEnd() === 'vault')!
  const session = module.C_OpenSession(slot, b.CKF_SERIAL_SESSION)
  module.C_FindObjectsInit(session, [
    { type: b.CKA_CLASS, value: b.CKO_PRIVATE_KEY },
    { type: b.CKA_TOKEN, value: true },
  ])
  const found = module.C_FindObjects(session, 1000)
  module.C_FindObjectsFinal(session)
  module.C_CloseSession(session)
  return found.length
}

describeStores('a vault whose keys are in a token', (open) => {
  const check = it.skipIf(!hasSoftHsm)

  check('releases a key that was made in the token, wrapped in it, and never without its policy', async () => {
    const vault = await createTestVault(await open(), { keystore })
    const created = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest())
    expect(created.status).toBe(200)
    const target = vault.provider.token(vault.claims)
    const answer = await vault.call('orchestrator', 'POST', '/keys/vm-1/release', { target })
    expect(answer.status).toBe(200)
    const { transferKey, authority } = vault
    const opened = unwrapRelease({ jws: answer.body.value, transferKey, caPem: authority.caPem })
    const released = createPublicKey(createPrivateKey({ key: opened.secret, format: 'der', type: 'pkcs8' }))
    expect(released.export({ format: 'jwk' }).n).toBe(created.body.key.n)
    // What hosts request, and SoftHSM's OAEP lacks.
    const enc = 'RSA_AES_KEY_WRAP_256'
    const asked = await vault.call('orchestrator', 'POST', '/keys/vm-1/release', { target, enc })
    expect(unwrapRelease({ jws: asked.body.value, transferKey, caPem: authority.caPem }).secret).toEqual(opened.secret)
    const refused = await vault.call('orchestrator', 'POST', '/keys/vm-1/release', { target: vault.provider.token({}) })
    expect(refused.status).toBe(403)
    await vault.close()
  })

  check(
    'makes no key for a VM where only the memory could hold the AES key of its release, unless that is allowed',
    async () => {
      const vault = await createTestVault(await open(), { keystore: { ...keystore, transportKey: 'token' } })
      const refused = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest())
      expect([refused.status, refused.body.error.code]).toEqual([400, 'KeyNotExportable'])
      expect(refused.body.error.message).toContain('RSA_AES_KEY_WRAP_256')
      expect(refused.body.error.innererror.remedy).toContain('transportKey')
      // A tenant's key is created: its releases with SHA-1 work in the token, others are refused on request.
      await vault.putVault('kv1', { grants: [adminGrant('owner')] })
      const host = 'kv1.vault.strongroom.internal'
      expect((await vault.call('owner', 'POST', '/keys/k/create', keyRequest(), host)).status).toBe(200)
      const target = vault.provider.token(vault.claims)
      expect((await vault.call('owner', 'POST', '/keys/k/release', { target }, host)).status).toBe(200)
      const other = await vault.call('owner', 'POST', '/keys/k/release', { target, enc: 'RSA_AES_KEY_WRAP_256' }, host)
      expect([other.status, other.body.error.target]).toEqual([400, 'enc'])
      await vault.close()
    },
  )

  check('signs, refuses to import, and answers with what the token lacks', async () => {
    const vault = await createTestVault(await open(), { keystore })
    await vault.putVault('kv1', { grants: [adminGrant('owner')] })
    const host = 'kv1.vault.strongroom.internal'
    const made = await vault.call('owner', 'POST', '/keys/k/create', { kty: 'RSA-HSM', key_size: 2048 }, host)
    expect(made.status).toBe(200)
    const version = made.body.key.kid.split('/').at(-1)
    const value = randomBytes(32).toString('base64url')
    const signed = await vault.call('owner', 'POST', `/keys/k/${version}/sign`, { alg: 'PS256', value }, host)
    expect(signed.status).toBe(200)
    const verified = await vault.call(
      'owner',
      'POST',
      `/keys/k/${version}/verify`,
      { alg: 'PS256', digest: value, value: signed.body.value },
      host,
    )
    expect(verified.body).toEqual({ value: true })
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const key = { ...privateKey.export({ format: 'jwk' }), kty: 'RSA-HSM' }
    const imported = await vault.call('owner', 'PUT', '/keys/i', { key }, host)
    expect([imported.status, imported.body.error.code]).toEqual([400, 'KeyImportNotSupported'])
    await vault.close()
  })

  check('destroys purged keys in the token too, of a key and of a whole vault', async () => {
    const store = await open()
    const sealer = createSealer(randomBytes(32))
    const vault = await createTestVault(store, { keystore, sealer })
    const before = await keysInToken()
    await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    expect(await keysInToken()).toBe(before + 2)
    await vault.call('controlPlane', 'DELETE', '/keys/vm-1')
    expect(await keysInToken()).toBe(before + 2)
    expect((await vault.call('controlPlane', 'DELETE', '/deletedkeys/vm-1')).status).toBe(204)
    expect(await keysInToken()).toBe(before)
    expect(await store.db.selectFrom('removed_key').selectAll().execute()).toEqual([])
    await vault.close()
  })

  check('does not start on software, nor without its PIN', async () => {
    const store = await open()
    const sealer = createSealer(randomBytes(32))
    const first = await createTestVault(await open({ sameAs: store }), { keystore, sealer })
    await first.close()
    await expect(createTestVault(await open({ sameAs: store }), { sealer })).rejects.toMatchObject({
      code: 'KeystoreChanged',
    })
    const pinFile = join(directory, 'none')
    const without = createTestVault(await open({ sameAs: store }), { sealer, keystore: { ...keystore, pinFile } })
    await expect(without).rejects.toMatchObject({ code: 'TokenPinMissing' })
  })
})
