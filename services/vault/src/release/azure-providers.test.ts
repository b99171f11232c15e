import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { providerUrl } from '../testing/fake-provider.ts'
import { createTestVault, encodedPolicy, keyRequest, type Answer, type TestVault } from '../testing/test-vault.ts'

const azure = 'https://sharedweu.weu.attest.azure.net'
const compliant = { claim: 'x-ms-compliance-status', equals: 'azure-compliant-cvm' }
const policy = (...authorities: string[]): object => ({
  version: '1.0.0',
  anyOf: authorities.map((authority) => ({ authority, allOf: [compliant] })),
})
const make = (vault: TestVault, ...authorities: string[]): Promise<Answer> =>
  vault.call(
    'controlPlane',
    'POST',
    '/keys/k/create',
    keyRequest({ kty: 'EC-HSM', release_policy: { data: encodedPolicy(policy(...authorities)) } }),
  )
const release = (vault: TestVault, claims: Record<string, unknown> = {}): Promise<Answer> =>
  vault.call('orchestrator', 'POST', '/keys/k/release', {
    target: vault.provider.token({ ...vault.claims, ...claims }),
  })

describeStores("a release policy that names Azure's shared provider", (open) => {
  it('makes a key that nothing releases, and says so when it is made or changed', async () => {
    const vault = await createTestVault(await open())
    const made = await make(vault, azure)
    expect(made.status).toBe(200)
    expect(made.headers['warning']).toBe(
      `299 strongroom "No token ever releases this key: ${azure} is not an attestation provider of this ` +
        `installation. Replace the authority ${azure} by ${providerUrl}, or let Azure's name mean it: ` +
        'strongroom env --public-names, or STRONGROOM_MAP_AZURE_PROVIDERS=1 for the server."',
    )
    const changed = await vault.call('controlPlane', 'PATCH', '/keys/k', { tags: { a: 'b' } })
    expect(changed.headers['warning']).toContain('No token ever releases this key')
    const refused = await release(vault)
    expect(refused).toMatchObject({ status: 403, body: { error: { code: 'Forbidden', target: 'iss' } } })
    expect(refused.body.error.innererror.remedy).toContain(`Replace the authority ${azure} by ${providerUrl},`)
    await vault.close()
  })

  it('is not warned of beside a provider of this installation, nor is a key without a policy', async () => {
    const vault = await createTestVault(await open())
    expect((await make(vault, azure, providerUrl)).headers['warning']).toBeUndefined()
    expect((await release(vault)).status).toBe(200)
    const plain = await vault.call('controlPlane', 'POST', '/keys/p/create', { kty: 'EC' })
    expect(plain.headers['warning']).toBeUndefined()
    await vault.close()
  })

  it('is met by the provider of the same region here, where the operator says that this stands for it', async () => {
    const vault = await createTestVault(await open(), { mapsAzureProviders: true })
    const made = await make(vault, `${azure}/`)
    expect(made.headers['warning']).toBeUndefined()
    expect((await release(vault)).status).toBe(200)
    // The key's policy stays as its owner wrote it.
    expect(made.body.release_policy.data).toBe(encodedPolicy(policy(`${azure}/`)))
    const conditions = await release(vault, { 'x-ms-compliance-status': 'none' })
    expect(conditions).toMatchObject({ status: 403, body: { error: { message: expect.stringContaining(azure) } } })
    await vault.close()
  })

  it.each([
    'https://sharedneu.neu.attest.azure.net',
    'https://sharedxyz.xyz.attest.azure.net',
    'https://sharedweu.neu.attest.azure.net',
    'https://alpha.weu.attest.azure.net',
    'https://sharedweu.weu.attest.azure.net.evil.example',
    'https://sharedweu.weu.attest.azure.cn',
  ])('is not met for %s, whatever the operator says', async (authority) => {
    const vault = await createTestVault(await open(), { mapsAzureProviders: true })
    await make(vault, authority)
    expect((await release(vault)).status).toBe(403)
    // A token under Azure's name is never one of ours.
    expect((await release(vault, { iss: authority })).status).toBeGreaterThanOrEqual(403)
    expect(vault.provider.asked.filter((url) => !url.endsWith('.strongroom.internal/certs'))).toEqual([])
    await vault.close()
  })

  it("is met by tokens under either name while Azure's names are answered, and not after", async () => {
    let answered = true
    const vault = await createTestVault(await open(), { answersAzureNames: () => answered })
    const made = await make(vault, `${azure}/`)
    expect(made.headers['warning']).toBeUndefined()
    for (const iss of [providerUrl, azure, `${azure}/`]) expect((await release(vault, { iss })).status).toBe(200)
    const refused = await release(vault, { iss: azure, 'x-ms-compliance-status': 'none' })
    expect(refused).toMatchObject({ status: 403, body: { error: { target: 'x-ms-compliance-status' } } })
    for (const iss of ['https://sharedneu.neu.attest.azure.net', 'https://alpha.weu.attest.azure.net'])
      expect((await release(vault, { iss })).body.error.target).toBe('iss')
    answered = false
    for (const iss of [providerUrl, azure]) expect((await release(vault, { iss })).body.error.target).toBe('iss')
    expect(new Set(vault.provider.asked)).toEqual(new Set([`${providerUrl}/certs`]))
    await vault.close()
  })

  it("accepts a token under Azure's name for a policy that names the provider here", async () => {
    const vault = await createTestVault(await open(), { answersAzureNames: () => true })
    await make(vault, providerUrl)
    expect((await release(vault, { iss: azure })).status).toBe(200)
    // Another key than the provider's, under its name.
    const forged = vault.provider.token({ ...vault.claims, iss: azure }).replace(/.{8}$/, 'AAAAAAAA')
    const answer = await vault.call('orchestrator', 'POST', '/keys/k/release', { target: forged })
    expect(answer).toMatchObject({ status: 403, body: { error: { target: 'signature' } } })
    await vault.close()
  })

  it('does not make a token of that name count', async () => {
    const vault = await createTestVault(await open(), { mapsAzureProviders: true })
    await make(vault, azure)
    expect((await release(vault, { iss: azure })).status).toBe(403)
    await vault.close()
  })
})
