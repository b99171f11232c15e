import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { openVault as open, statusAndCode as codes } from '../testing/opened-vault.ts'

describeStores('a vault', (store) => {
  it('refuses issuers and contacts of certificates, and stores none of what a request says (attack W40)', async () => {
    const held = await store()
    const { vault, send } = await open(held)
    const issuer = { provider: 'DigiCert', credentials: { account_id: 'me', pwd: 'hunter-two' } }
    for (const [method, path, remedy] of [
      ['GET', 'issuers', 'issuer Self'],
      ['GET', 'issuers/digi', 'issuer Self'],
      ['PUT', 'issuers/digi', 'issuer Self'],
      ['PATCH', 'issuers/digi', 'issuer Self'],
      ['DELETE', 'issuers/digi', 'issuer Self'],
      ['PUT', 'contacts', 'nobody is mailed'],
      ['DELETE', 'contacts', 'nobody is mailed'],
    ] as const) {
      const reply = await send(method, `/certificates/${path}`, /PUT|PATCH/.test(method) ? issuer : undefined)
      expect(codes(reply), `${method} ${path}`).toEqual([501, 'NotOffered'])
      expect(JSON.stringify(reply.body)).toContain(remedy)
    }
    for (const table of ['certificate_issuer', 'certificate_contacts', 'certificate_object'])
      expect(await held.db.selectFrom(table).selectAll().execute(), table).toEqual([])
    await vault.close()
  })

  it('has no contacts of certificates, as Terraform asks of each, for those who may manage them', async () => {
    const { vault, send } = await open(await store())
    expect(codes(await send('GET', '/certificates/contacts'))).toEqual([404, 'CertificateContactsNotFound'])
    expect((await send('GET', '/certificates/contacts', undefined, 'bob')).status).toBe(403)
    await vault.close()
  })
})
