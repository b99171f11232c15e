import type { VaultGrant } from '@strongroom/contract'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { adminGrant, principalIds } from '../testing/test-vault.ts'
import { openVault as open, statusAndCode as codes, vaultHost as host } from '../testing/opened-vault.ts'

const issuer = {
  provider: 'DigiCert',
  credentials: { account_id: 'me', pwd: 'hunter-two' },
  org_details: { id: 'org', admin_details: [{ first_name: 'A', last_name: 'B', email: 'a@example.com', phone: '1' }] },
}

describeStores('certificate issuers', (store) => {
  it('are kept without their password, shown, listed page by page, changed and deleted (attack W40)', async () => {
    const held = await store()
    const { vault, send } = await open(held)
    const made = await send('PUT', '/certificates/issuers/Digi', issuer)
    expect(JSON.stringify(await held.db.selectFrom('certificate_issuer').selectAll().execute())).not.toContain('hunter')
    expect([made.status, made.body]).toEqual([
      200,
      {
        id: `https://${host}/certificates/issuers/Digi`,
        provider: 'DigiCert',
        credentials: { account_id: 'me' },
        org_details: { ...issuer.org_details, zip: 0 },
        attributes: { enabled: true, created: expect.any(Number), updated: expect.any(Number) },
      },
    ])
    expect((await send('GET', '/certificates/issuers/DIGI')).body).toEqual(made.body)
    expect((await send('PATCH', '/certificates/issuers/digi', { attributes: { enabled: false } })).body).toMatchObject({
      provider: 'DigiCert',
      credentials: { account_id: 'me' },
      attributes: { enabled: false },
    })
    const bare = await send('PUT', '/certificates/issuers/digi', { provider: 'GlobalSign' })
    expect([bare.body.provider, bare.body.credentials, bare.body.org_details.admin_details]).toEqual(['GlobalSign', undefined, []]) // prettier-ignore
    await send('PUT', '/certificates/issuers/other', { provider: 'x' })
    const { body: first } = await send('GET', '/certificates/issuers?maxresults=1')
    expect(first.value).toEqual([{ id: `https://${host}/certificates/issuers/Digi`, provider: 'GlobalSign' }])
    const next = await send('GET', String(first.nextLink).replace(`https://${host}`, ''))
    expect(next.body.value.map(({ provider }: { provider: string }) => provider)).toEqual(['x'])
    expect((await send('DELETE', '/certificates/issuers/digi')).body.provider).toBe('GlobalSign')
    for (const method of ['GET', 'DELETE', 'PATCH'] as const)
      expect(codes(await send(method, '/certificates/issuers/digi', method === 'PATCH' ? {} : undefined))).toEqual([404, 'CertificateIssuerNotFound']) // prettier-ignore
    await vault.close()
  })

  it('are refused where they are none, and a hundred is the most; none makes a certificate', async () => {
    const { vault, send } = await open(await store())
    for (const body of [
      undefined,
      [],
      {},
      { provider: 7 },
      { provider: '' },
      { provider: 'x'.repeat(321) },
      { provider: 'x', credentials: { pwd: 5 } },
      { provider: 'x', org_details: { admin_details: {} } },
      { provider: 'x', org_details: { admin_details: [{ email: 'nobody' }] } },
      { provider: 'x', attributes: { enabled: 'yes' } },
    ])
      expect(codes(await send('PUT', '/certificates/issuers/a', body)), JSON.stringify(body)).toEqual([400, 'BadParameter']) // prettier-ignore
    expect(codes(await send('PUT', '/certificates/issuers/a_b', issuer))).toEqual([400, 'BadParameter'])
    for (let n = 0; n < 100; n += 1) expect((await send('PUT', `/certificates/issuers/i${n}`, issuer)).status).toBe(200)
    expect(codes(await send('PUT', '/certificates/issuers/more', issuer))).toEqual([400, 'BadParameter'])
    expect((await send('PUT', '/certificates/issuers/i5', issuer)).status).toBe(200)
    const policy = { x509_props: { subject: 'CN=a' }, issuer: { name: 'i5' } }
    expect(codes(await send('POST', '/certificates/c1/create', { policy }))).toEqual([400, 'BadParameter'])
    await vault.close()
  })

  it('and contacts are whose right they are: a right to a certificate that is called alike is none (attack W40)', async () => {
    const grant = (dataActions: string[], object = ''): VaultGrant => ({ principalId: principalIds.bob, object, dataActions, notDataActions: [] }) // prettier-ignore
    const { vault, send } = await open(await store(), [grant(['Microsoft.KeyVault/vaults/*'], 'certificates/digi')])
    await send('PUT', '/certificates/issuers/digi', issuer)
    const tried = async (): Promise<number[]> =>
      await Promise.all(
        (
          [
            ['GET', 'issuers/digi'],
            ['GET', 'issuers'],
            ['PUT', 'issuers/digi', issuer],
            ['PATCH', 'issuers/digi', {}],
            ['GET', 'contacts'],
            ['PUT', 'contacts', { contacts: [{ email: 'a@b' }] }],
            ['DELETE', 'issuers/none'],
          ] as const
        ).map(async ([method, path, body]) => (await send(method, `/certificates/${path}`, body, 'bob')).status),
      )
    expect(await tried()).toEqual([403, 403, 403, 403, 403, 403, 403])
    const put = async (grants: VaultGrant[]): Promise<unknown> => await vault.putVault('kv1', { grants: [adminGrant('alice'), ...grants] }) // prettier-ignore
    await put([grant(['Microsoft.KeyVault/vaults/certificatecas/read'])])
    expect(await tried()).toEqual([200, 200, 403, 403, 403, 403, 403])
    await put([grant(['Microsoft.KeyVault/vaults/certificatecas/*'])])
    expect(await tried()).toEqual([200, 200, 200, 200, 403, 403, 404])
    await put([grant(['Microsoft.KeyVault/vaults/certificatecontacts/write'])])
    expect((await tried()).slice(0, 4)).toEqual([403, 403, 403, 403])
    expect((await send('GET', '/certificates/contacts', undefined, 'bob')).status).toBe(200)
    await vault.close()
  })
})

describeStores('certificate contacts', (store) => {
  it('are one list of a vault, written whole', async () => {
    const { vault, send } = await open(await store())
    for (const method of ['GET', 'DELETE'] as const)
      expect(codes(await send(method, '/certificates/contacts'))).toEqual([404, 'CertificateContactsNotFound'])
    const contacts = [{ email: 'a@example.com', name: 'A', phone: '1' }, { email: 'b@example.com' }]
    const expected = { id: `https://${host}/certificates/contacts`, contacts }
    expect((await send('PUT', '/certificates/contacts', { contacts })).body).toEqual(expected)
    expect((await send('GET', '/certificates/contacts')).body).toEqual(expected)
    for (const given of [
      undefined,
      [],
      'a@b',
      [{}],
      [{ email: 'a b@c' }],
      [{ email: 'a@b', name: '\u0000' }],
      Array.from({ length: 101 }, () => ({ email: 'a@b' })),
    ])
      // prettier-ignore
      expect(codes(await send('PUT', '/certificates/contacts', { contacts: given }))).toEqual([400, 'BadParameter'])
    expect((await send('DELETE', '/certificates/contacts')).body).toEqual(expected)
    expect(codes(await send('GET', '/certificates/contacts'))).toEqual([404, 'CertificateContactsNotFound'])
    await vault.close()
  })
})
