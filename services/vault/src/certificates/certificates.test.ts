import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  verify,
  X509Certificate,
} from 'node:crypto'
import type { VaultGrant } from '@strongroom/contract'
import { issueSelfSigned } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { expect, it } from 'vitest'
import { adminGrant, principalIds, type Answer, type Principal } from '../testing/test-vault.ts'
import { openVault as open, statusAndCode as codes, vaultHost as host } from '../testing/opened-vault.ts'
import { readPkcs12 } from './pkcs12/read.ts'

const day = 24 * 3600_000

const self = (more: object = {}, x509: object = {}): object => ({
  policy: {
    key_props: { exportable: true, kty: 'RSA', key_size: 2048, reuse_key: false },
    secret_props: { contentType: 'application/x-pem-file' },
    x509_props: {
      subject: 'CN=example.com, O=Example',
      sans: { dns_names: ['example.com', '*.example.com'] },
      validity_months: 12,
      ...x509,
    },
    issuer: { name: 'Self' },
    ...more,
  },
})
const versionOf = (id: string): string => id.split('/').at(-1) ?? ''

describeStores('certificates', (store) => {
  it('are signed by their own key, which the vault keeps beside them under the same version, as it does the secret', async () => {
    const { vault, send } = await open(await store())
    const made = await send('POST', '/certificates/C1/create', { ...self(), tags: { a: 'b' } })
    expect([made.status, made.body.status, made.body.target]).toEqual([
      202,
      'completed',
      `https://${host}/certificates/C1`,
    ])
    expect((await send('GET', '/certificates/c1/pending')).body.status).toBe('completed')
    const { body } = await send('GET', '/certificates/c1')
    const version = versionOf(body.id)
    expect([body.kid, body.sid]).toEqual([
      `https://${host}/keys/C1/${version}`,
      `https://${host}/secrets/C1/${version}`,
    ])
    const certificate = new X509Certificate(Buffer.from(body.cer, 'base64'))
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    expect([certificate.subject, certificate.subjectAltName, certificate.ca]).toEqual([
      'CN=example.com\nO=Example',
      'DNS:example.com, DNS:*.example.com',
      false,
    ])
    expect(body.attributes.exp - body.attributes.nbf).toBeGreaterThan(364 * 24 * 3600)
    expect(Buffer.from(body.x5t, 'base64url').toString('hex').toUpperCase()).toBe(
      certificate.fingerprint.replaceAll(':', ''),
    )

    const secret = (await send('GET', '/secrets/c1')).body
    expect([versionOf(secret.id), secret.contentType]).toEqual([version, 'application/x-pem-file'])
    expect(createPublicKey(createPrivateKey(secret.value)).equals(certificate.publicKey)).toBe(true)
    const digest = Buffer.alloc(32, 1)
    const signed = await send('POST', `/keys/c1/${version}/sign`, { alg: 'RS256', value: digest.toString('base64url') })
    expect([signed.status, versionOf(signed.body.kid)]).toEqual([200, version])
    expect((await send('GET', '/certificates')).body.value).toMatchObject([
      { id: `https://${host}/certificates/C1`, tags: { a: 'b' } },
    ])

    // A second version is added beside the first.
    await send('POST', '/certificates/c1/create', self())
    expect((await send('GET', '/certificates/c1/versions')).body.value).toHaveLength(2)
    expect(versionOf((await send('GET', '/keys/c1')).body.key.kid)).not.toBe(version)
    expect((await send('GET', `/certificates/c1/${version}`)).status).toBe(200)
    await vault.close()
  })

  it.each([
    ['EC', 'P-256'],
    ['EC', 'P-384'],
    ['EC', 'P-521'],
    ['EC-HSM', 'P-256K'],
  ])('are made of %s keys on %s, and verify', async (kty, crv) => {
    const { vault, send } = await open(await store())
    await send(
      'POST',
      '/certificates/c1/create',
      self({ key_props: { kty, crv, exportable: false }, secret_props: { contentType: 'application/x-pkcs12' } }),
    )
    const { body } = await send('GET', '/certificates/c1')
    const certificate = new X509Certificate(Buffer.from(body.cer, 'base64'))
    expect(certificate.verify(certificate.publicKey)).toBe(true)
    // A key that is not exportable is in no secret.
    const { value } = (await send('GET', '/secrets/c1')).body
    const file = await readPkcs12(Buffer.from(value, 'base64'), '')
    expect([file.keys, file.certificates.length]).toEqual([[], 1])
    await vault.close()
  })

  it('come in as PEM and as PKCS#12, with their own key alone', async () => {
    const { vault, send } = await open(await store())
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const times = { notBefore: new Date(Date.now() - day), notAfter: new Date(Date.now() + 30 * day) }
    const certOf = (key: typeof privateKey): string =>
      issueSelfSigned({ subject: 'CN=outside', privateKey: key, usages: ['digitalSignature'], ...times })
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
    const pem = `${certOf(other.privateKey)}${key}${certOf(privateKey)}`
    const imported = await send('POST', '/certificates/in/import', { value: pem })
    expect(imported.status, JSON.stringify(imported.body)).toBe(200)
    expect(imported.body.policy).toMatchObject({
      issuer: { name: 'Unknown' },
      secret_props: { contentType: 'application/x-pem-file' },
      key_props: { kty: 'EC', crv: 'P-256' },
      x509_props: { subject: 'CN=outside' },
    })
    const leaf = new X509Certificate(Buffer.from(imported.body.cer, 'base64'))
    expect(leaf.checkPrivateKey(privateKey)).toBe(true)
    const digest = Buffer.alloc(32, 1)
    const signature = (await send('POST', '/keys/in/sign', { alg: 'ES256', value: digest.toString('base64url') })).body
      .value
    expect(signature).toBeTruthy()

    // As PKCS#12, from another certificate's secret.
    await send('POST', '/certificates/p12/create', self({ secret_props: { contentType: 'application/x-pkcs12' } }))
    const { value } = (await send('GET', '/secrets/p12')).body
    const again = await send('POST', '/certificates/copy/import', { value })
    expect([again.status, again.body.cer]).toEqual([200, (await send('GET', '/certificates/p12')).body.cer])
    for (const body of [
      { value: certOf(privateKey) },
      { value: `${key}${certOf(other.privateKey)}` },
      { value: `${key}${key}${certOf(privateKey)}` },
      { value: 'AAAA' },
      { value: '' },
      { value: 1 },
      {},
      { value, pwd: 'wrong' },
      { value: pem, policy: { secret_props: { contentType: 'x' } } },
    ])
      expect(codes(await send('POST', '/certificates/bad/import', body)), JSON.stringify(body).slice(0, 60)).toEqual([
        400,
        'BadParameter',
      ])
    expect(codes(await send('GET', '/keys/bad'))).toEqual([404, 'KeyNotFound'])
    await vault.close()
  })

  it('keep their key and secret: neither is changed, deleted or overwritten apart, and they go and come back together', async () => {
    const { vault, send } = await open(await store())
    await send('POST', '/certificates/c1/create', self())
    for (const [method, path, body] of [
      ['POST', '/keys/c1/create', { kty: 'RSA' }],
      ['PATCH', '/keys/c1', { attributes: { enabled: false } }],
      ['POST', '/keys/c1/rotate', {}],
      ['PUT', '/keys/c1/rotationpolicy', { lifetimeActions: [], attributes: {} }],
      ['POST', '/keys/c1/backup', {}],
      ['DELETE', '/keys/c1', undefined],
      ['PUT', '/secrets/c1', { value: 'x' }],
      ['PATCH', '/secrets/c1', { attributes: { enabled: false } }],
      ['POST', '/secrets/c1/backup', {}],
      ['DELETE', '/secrets/c1', undefined],
    ] as const)
      expect(codes(await send(method, path, body)), `${method} ${path}`).toEqual([403, 'Forbidden'])
    // Nor does a certificate take over another object's name.
    await send('PUT', '/secrets/mine', { value: 'x' })
    await send('POST', '/keys/gone/create', { kty: 'RSA' })
    await send('DELETE', '/keys/gone')
    for (const name of ['mine', 'gone'])
      expect(codes(await send('POST', `/certificates/${name}/create`, self()))).toEqual([409, 'Conflict'])
    expect((await send('GET', '/secrets/mine')).body.value).toBe('x')

    const off = await send('PATCH', `/certificates/c1/${versionOf((await send('GET', '/certificates/c1')).body.id)}`, {
      attributes: { enabled: false },
      tags: { x: 'y' },
    })
    expect([off.body.attributes.enabled, off.body.tags]).toEqual([false, { x: 'y' }])
    expect(codes(await send('GET', '/secrets/c1'))).toEqual([403, 'Forbidden'])
    await send('PATCH', '/certificates/c1', { attributes: { enabled: true } })

    const gone = await send('DELETE', '/certificates/c1')
    expect(gone.body).toMatchObject({
      recoveryId: `https://${host}/deletedcertificates/c1`,
      policy: { issuer: { name: 'Self' } },
    })
    for (const path of ['/certificates/c1', '/keys/c1', '/secrets/c1'])
      expect((await send('GET', path)).status, path).toBe(404)
    expect(codes(await send('POST', '/deletedkeys/c1/recover'))).toEqual([403, 'Forbidden'])
    expect(codes(await send('DELETE', '/deletedsecrets/c1'))).toEqual([403, 'Forbidden'])
    expect(codes(await send('POST', '/certificates/c1/create', self()))).toEqual([409, 'Conflict'])
    expect((await send('GET', '/deletedcertificates')).body.value).toHaveLength(1)
    expect((await send('POST', '/deletedcertificates/c1/recover')).status).toBe(200)
    expect((await send('GET', '/secrets/c1')).body.value).toContain('PRIVATE KEY')
    await send('DELETE', '/certificates/c1')
    expect((await send('DELETE', '/deletedcertificates/c1')).status).toBe(204)
    for (const path of ['/deletedcertificates/c1', '/deletedkeys/c1', '/deletedsecrets/c1'])
      expect((await send('GET', path)).status, path).toBe(404)
    expect((await send('PUT', '/secrets/c1', { value: 'free again' })).status).toBe(200)
    await vault.close()
  })

  it('are for whoever has a right to certificates: one to keys or secrets is none', async () => {
    const grant = (principal: Principal, ...actions: string[]): VaultGrant => ({
      principalId: principalIds[principal],
      object: '',
      dataActions: actions.map((each) => `Microsoft.KeyVault/vaults/${each}`),
      notDataActions: [],
    })
    const { vault, send } = await open(await store(), [
      grant('bob', 'keys/*', 'secrets/*'),
      grant('owner', 'certificates/read'),
    ])
    await send('POST', '/certificates/c1/create', self())
    for (const [method, path, body] of [
      ['POST', '/certificates/c1/create', self()],
      ['POST', '/certificates/x/import', {}],
      ['GET', '/certificates/c1', undefined],
      ['GET', '/certificates', undefined],
      ['GET', '/certificates/c1/policy', undefined],
      ['PATCH', '/certificates/c1/policy', {}],
      ['DELETE', '/certificates/c1', undefined],
      ['GET', '/deletedcertificates', undefined],
      ['DELETE', '/deletedcertificates/c1', undefined],
      ['POST', '/deletedcertificates/c1/recover', undefined],
    ] as const)
      expect(codes(await send(method, path, body, 'bob')), `${method} ${path}`).toEqual([403, 'Forbidden'])
    expect((await send('GET', '/certificates/c1', undefined, 'owner')).status).toBe(200)
    expect((await send('GET', '/secrets/c1', undefined, 'owner')).status).toBe(403)
    await vault.close()
  })

  it('are refused with a policy that they cannot be made by, and what is not offered says so', async () => {
    const { vault, send } = await open(await store())
    for (const policy of [
      self({ issuer: { name: 'DigiCert' } }),
      self({ key_props: { kty: 'oct' } }),
      self({ key_props: { kty: 'RSA', key_size: 1024 } }),
      self({}, { subject: 'CN=a\\,b' }),
      self({}, { subject: 'X=1' }),
      self({}, { subject: '', sans: {} }),
      self({}, { validity_months: 0 }),
      self({}, { ekus: ['1.40.1'] }),
      self({}, { key_usage: ['everything'] }),
      self({}, { sans: { upns: ['a@b'] } }),
      self({ lifetime_actions: [{ trigger: {}, action: { action_type: 'AutoRenew' } }] }),
      self({ lifetime_actions: [{ trigger: { lifetime_percentage: 80 }, action: { action_type: 'EmailContacts' } }] }),
      self({ secret_props: { contentType: 'text/plain' } }),
      { policy: 1 },
    ])
      expect(codes(await send('POST', '/certificates/c1/create', policy)), JSON.stringify(policy)).toEqual([
        400,
        'BadParameter',
      ])
    for (const [method, path] of [['GET', '/storage']] as const)
      expect(codes(await send(method, path)), path).toEqual([501, 'NotOffered'])
    await vault.close()
  })

  it('are backed up with their keys, secrets and policy, and restored where the name is free', async () => {
    const { vault, send } = await open(await store())
    const other = 'kv2.vault.strongroom.internal'
    await vault.putVault('kv2', { grants: [adminGrant('alice')] })
    const there = async (method: 'GET' | 'POST', path: string, body?: unknown): Promise<Answer> =>
      await vault.call('alice', method, path, body, other)
    for (const _ of [1, 2]) await send('POST', '/certificates/Site/create', self())
    const { body: before } = await send('GET', '/certificates/site')
    const { value } = (await send('POST', '/certificates/site/backup')).body
    expect(Buffer.from(value, 'base64url').includes('PRIVATE KEY')).toBe(false)
    expect(codes(await send('POST', '/certificates/restore', { value }))).toEqual([409, 'Conflict'])
    const { status, body } = await there('POST', '/certificates/restore', { value })
    expect([status, body.cer, body.kid]).toEqual([200, before.cer, before.kid.replace(host, other)])
    expect(body.policy.x509_props).toEqual(before.policy.x509_props)
    expect((await there('GET', '/certificates/site/versions')).body.value).toHaveLength(2)
    const version = versionOf(before.id)
    const secretOf = async (get: typeof there): Promise<string> =>
      (await get('GET', `/secrets/site/${version}`)).body.value
    expect(await secretOf(there)).toBe(await secretOf(send))
    const digest = createHash('sha256').update('x').digest()
    const signed = await there('POST', `/keys/site/${version}/sign`, {
      alg: 'RS256',
      value: digest.toString('base64url'),
    })
    const { publicKey } = new X509Certificate(Buffer.from(body.cer, 'base64'))
    expect(verify('sha256', Buffer.from('x'), publicKey, Buffer.from(signed.body.value, 'base64url'))).toBe(true)
    // There too, key and secret belong to the certificate, and no other kind of backup opens as one.
    expect(codes(await there('POST', '/keys/site/backup'))).toEqual([403, 'Forbidden'])
    await send('POST', '/keys/plain/create', { kty: 'RSA' })
    const ofKey = (await send('POST', '/keys/plain/backup')).body.value as string
    const bent = `${value.slice(0, 40)}${value[40] === 'A' ? 'B' : 'A'}${value.slice(41)}`
    for (const given of [ofKey, bent, '', 7, undefined, 'a b', value.slice(0, 50)])
      expect(codes(await there('POST', '/certificates/restore', { value: given }))).toEqual([400, 'BadParameter'])
    expect(codes(await there('POST', '/keys/restore', { value }))).toEqual([400, 'BadParameter'])
    for (const [path, body] of [['/certificates/site/backup'], ['/certificates/restore', { value }]] as const)
      expect(codes(await send('POST', path, body, 'bob'))).toEqual([403, 'Forbidden'])
    // A secret of the same name blocks the restore, as do deleted ones.
    await vault.putVault('kv3', { grants: [adminGrant('alice')] })
    const third = 'kv3.vault.strongroom.internal'
    await vault.call('alice', 'PUT', '/secrets/site', { value: 'x' }, third)
    expect(codes(await vault.call('alice', 'POST', '/certificates/restore', { value }, third))).toEqual([
      409,
      'Conflict',
    ])
    await vault.close()
  })

  it('are made again before they end, by the same key where the policy says so', async () => {
    const shared = await store()
    const { vault, send } = await open(shared)
    const actions = {
      lifetime_actions: [{ trigger: { days_before_expiry: 30 }, action: { action_type: 'AutoRenew' } }],
    }
    await send('POST', '/certificates/same/create', self({ ...actions, key_props: { kty: 'EC', reuse_key: true } }))
    await send('POST', '/certificates/other/create', self({ ...actions, key_props: { kty: 'EC' } }))
    await send('POST', '/certificates/once/create', self({ key_props: { kty: 'EC' } }))
    const keysOf = async (name: string): Promise<string[]> => {
      const { value } = (await send('GET', `/keys/${name}/versions`)).body
      return await Promise.all(
        value.map(
          async ({ kid }: { kid: string }) =>
            (await send('GET', `/keys/${name}/${versionOf(kid)}`)).body.key.x as string,
        ),
      )
    }
    vault.clock.set(new Date(Date.now() + 340 * day))
    await vault.service.start()
    await expect
      .poll(async () => (await send('GET', '/certificates/other/versions')).body.value.length, { timeout: 20_000 })
      .toBe(2)
    const [same, other, once] = [await keysOf('same'), await keysOf('other'), await keysOf('once')]
    expect([same.length, new Set(same).size, other.length, new Set(other).size, once.length]).toEqual([2, 1, 2, 2, 1])
    const { body } = await send('GET', '/certificates/same')
    expect(body.attributes.exp * 1000).toBeGreaterThan(Date.now() + 600 * day)
    const renewed = new X509Certificate(Buffer.from(body.cer, 'base64'))
    const message = Buffer.from('by the key of the certificate')
    const value = createHash('sha256').update(message).digest('base64url')
    const { body: signed } = await send('POST', '/keys/same/sign', { alg: 'ES256', value })
    const key = { key: renewed.publicKey, dsaEncoding: 'ieee-p1363' as const }
    expect(verify('sha256', message, key, Buffer.from(signed.value, 'base64url'))).toBe(true)
    await vault.close()
  })
})
