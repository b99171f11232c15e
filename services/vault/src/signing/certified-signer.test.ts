import { X509Certificate } from 'node:crypto'
import { releaseSigningUsage } from '@strongroom/contract'
import { createSealer } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { decodeProtectedHeader } from 'jose'
import { expect, it } from 'vitest'
import { createTestVault, keyRequest, type TestVault } from '../testing/test-vault.ts'

async function leafOf(vault: TestVault): Promise<X509Certificate> {
  const answer = await vault.call('orchestrator', 'POST', '/keys/vm-1/release', {
    target: vault.provider.token(vault.claims),
  })
  const { x5c } = decodeProtectedHeader(answer.body.value)
  expect(x5c).toHaveLength(2)
  return new X509Certificate(Buffer.from(x5c![0]!, 'base64'))
}

describeStores('the certificate that signs releases', (open) => {
  it('has a usage that no other certificate of the installation has', async () => {
    const vault = await createTestVault(await open())
    await vault.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    const leaf = await leafOf(vault)
    expect(leaf.keyUsage).toEqual([releaseSigningUsage])
    expect(leaf.ca).toBe(false)
    const other = await vault.authority.issueCertificate({
      subject: 'CN=Strongroom key release,O=Strongroom',
      publicKey: Uint8Array.from(leaf.publicKey.export({ type: 'spki', format: 'der' })),
      usages: ['digitalSignature', 'serverAuth'],
      days: 1,
    })
    expect(new X509Certificate(other).keyUsage).not.toContain(releaseSigningUsage)
    await vault.close()
  })

  it('stays the same over a restart and is renewed before it ends, under the same key', async () => {
    const store = await open()
    const sealer = createSealer(new Uint8Array(32).fill(7))
    const first = await createTestVault(await open({ sameAs: store }), { sealer })
    await first.call('controlPlane', 'POST', '/keys/vm-1/create', keyRequest({ kty: 'EC-HSM' }))
    const leaf = await leafOf(first)
    const second = await createTestVault(await open({ sameAs: store }), { sealer, authority: first.authority })
    expect((await leafOf(second)).fingerprint256).toBe(leaf.fingerprint256)
    second.clock.set(new Date(Date.parse(leaf.validTo) - 6 * 24 * 3600_000))
    first.clock.set(second.clock.now())
    const renewed = await leafOf(second)
    expect(renewed.fingerprint256).not.toBe(leaf.fingerprint256)
    expect(renewed.publicKey.equals(leaf.publicKey)).toBe(true)
    await second.close()
    await first.close()
  })
})
