import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { guestStateGenerationTag } from '@strongroom/contract'
import type { Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { sql } from 'kysely'
import { expect, it } from 'vitest'
import { providerUrl, signedToken } from '../testing/fake-provider.ts'
import { createTestVault, encodedPolicy, keyRequest, transferJwk, vmId, type TestVault } from '../testing/test-vault.ts'
import { unwrapRelease } from '../testing/unwrap.ts'

describeStores('key release', (open) => {
  const started = async (): Promise<{ vault: TestVault; store: Store; version: string; n: string }> => {
    const store = await open()
    const vault = await createTestVault(store)
    const created = await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest())
    expect(created.status).toBe(200)
    return { vault, store, version: created.body.key.kid.split('/').at(-1), n: created.body.key.n }
  }
  const release = (vault: TestVault, version: string, claims: Record<string, unknown>, more: object = {}) =>
    vault.call('orchestrator', 'POST', `/keys/vm-1/${version}/release`, {
      target: vault.provider.token(claims),
      ...more,
    })

  it('gives the private half of the created key to whoever holds the transfer key of the evidence', async () => {
    const { vault, version, n } = await started()
    for (const enc of ['CKM_RSA_AES_KEY_WRAP', 'RSA_AES_KEY_WRAP_256', 'RSA_AES_KEY_WRAP_384']) {
      const answer = await release(vault, version, vault.claims, { enc, nonce: 'n-1' })
      expect(answer.status).toBe(200)
      const opened = unwrapRelease({
        jws: answer.body.value,
        transferKey: vault.transferKey,
        caPem: vault.authority.caPem,
      })
      const key = createPrivateKey({ key: opened.secret, format: 'der', type: 'pkcs8' })
      expect(createPublicKey(key).export({ format: 'jwk' }).n).toBe(n)
      expect(opened.envelope.header).toEqual({ kid: 'HCLTransferKey', alg: 'dir', enc })
      const kid = `https://platform.vault.strongroom.internal/keys/vm-1/${version}`
      expect(opened.payload.request).toEqual({ 'api-version': '7.4', enc, kid, nonce: 'n-1' })
      expect(opened.payload.response.key.key).toMatchObject({ kid, kty: 'RSA-HSM', n })
      expect(opened.payload.response.key.attributes).toMatchObject({ enabled: true, exportable: true })
      expect(opened.payload.response.key.tags[guestStateGenerationTag]).toBe('0')
    }
    await vault.close()
  })
})
