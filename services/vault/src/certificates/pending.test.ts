import { execFileSync } from 'node:child_process'
import { createHash, verify, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeStores } from '@strongroom/platform/testing'
import { afterAll, expect, it } from 'vitest'
import type { Answer, Principal } from '../testing/test-vault.ts'
import { openVault as open, statusAndCode as codes } from '../testing/opened-vault.ts'

const folder = mkdtempSync(join(tmpdir(), 'strongroom-requests-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const openssl = (...args: string[]): string =>
  execFileSync('openssl', args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] }).toString()
openssl(
  'req',
  '-x509',
  '-newkey',
  'rsa:2048',
  '-nodes',
  '-keyout',
  'ca.key',
  '-out',
  'ca.pem',
  '-subj',
  '/CN=Ours',
  '-days',
  '30',
)

const wanted = (keyProps: object = { kty: 'RSA', exportable: true }): object => ({
  policy: {
    key_props: keyProps,
    secret_props: { contentType: 'application/x-pem-file' },
    x509_props: { subject: 'CN=example.com', sans: { dns_names: ['example.com'] } },
    issuer: { name: 'Unknown' },
  },
  tags: { a: 'b' },
})

/** What an authority makes of a request: DER of the certificate and of the authority's own. */
function signed(csr: string): [certificate: string, authority: string] {
  writeFileSync(join(folder, 'csr.der'), Buffer.from(csr, 'base64'))
  openssl(
    'x509',
    '-req',
    '-inform',
    'DER',
    '-in',
    'csr.der',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-copy_extensions',
    'copy',
    '-outform',
    'DER',
    '-out',
    'cert.der',
    '-not_before',
    '20250101000000Z',
    '-not_after',
    '20450101000000Z',
  )
  openssl('x509', '-in', 'ca.pem', '-outform', 'DER', '-out', 'ca.der')
  const read = (name: string): string =>
    Buffer.from(openssl('base64', '-A', '-in', name))
      .toString()
      .trim()
  return [read('cert.der'), read('ca.der')]
}

describeStores('a certificate that somebody else signs', (store) => {
  it.each([
    ['RSA', { kty: 'RSA', exportable: true }],
    ['EC', { kty: 'EC', crv: 'P-384', exportable: true }],
  ])('waits with its request (%s) until what came back for it is merged, chain and all', async (_, keyProps) => {
    const { vault, send } = await open(await store())
    const made = await send('POST', '/certificates/Site/create', wanted(keyProps))
    expect([made.status, made.body.status, made.body.issuer]).toEqual([202, 'inProgress', { name: 'Unknown' }])
    writeFileSync(join(folder, 'r.der'), Buffer.from(made.body.csr, 'base64'))
    const text = openssl('req', '-inform', 'DER', '-in', 'r.der', '-verify', '-noout', '-text')
    expect(text).toMatch(/Subject: CN\s*=\s*example\.com/)
    expect(text).toContain('DNS:example.com')
    expect((await send('GET', '/certificates/site/pending')).body).toEqual(made.body)
    expect(codes(await send('GET', '/certificates/site'))).toEqual([404, 'CertificateNotFound'])
    for (const path of ['/keys/site', '/secrets/site']) expect((await send('GET', path)).status).toBe(404)
    expect(codes(await send('POST', '/certificates/site/create', wanted()))).toEqual([409, 'Conflict'])
    const x5c = signed(made.body.csr)
    const merged = await send('POST', '/certificates/site/pending/merge', { x5c: x5c.toReversed(), tags: { c: 'd' } })
    expect([merged.status, merged.body.cer, merged.body.tags, merged.body.policy.issuer]).toEqual([
      201,
      x5c[0],
      { c: 'd' },
      { name: 'Unknown' },
    ])
    const { value } = (await send('GET', '/secrets/site')).body
    expect(value.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
    expect(value).toContain('BEGIN PRIVATE KEY')
    if (keyProps.kty === 'RSA') {
      const digest = createHash('sha256').update('x').digest('base64url')
      const { body } = await send('POST', '/keys/site/sign', { alg: 'RS256', value: digest })
      const { publicKey } = new X509Certificate(Buffer.from(merged.body.cer, 'base64'))
      expect(verify('sha256', Buffer.from('x'), publicKey, Buffer.from(body.value, 'base64url'))).toBe(true)
    }
    expect((await send('GET', '/certificates/site/pending')).body.status).toBe('completed')
    expect(codes(await send('POST', '/certificates/site/pending/merge', { x5c }))).toEqual([
      404,
      'PendingCertificateNotFound',
    ])
    await vault.close()
  })

  it('takes no certificate of another key, nothing that is none, and nobody who may not', async () => {
    const { vault, send } = await open(await store())
    const merge = async (x5c: unknown, as?: Principal): Promise<Answer> =>
      await send('POST', '/certificates/a/pending/merge', { x5c }, as)
    expect(codes(await merge(['AA==']))).toEqual([404, 'PendingCertificateNotFound'])
    const { csr } = (await send('POST', '/certificates/a/create', wanted())).body
    const other = (await send('POST', '/certificates/b/create', wanted())).body.csr
    const [ours, authority] = signed(csr)
    const [foreign] = signed(other)
    for (const x5c of [
      [foreign],
      [authority],
      [],
      undefined,
      'x',
      [7],
      ['AA=='],
      Array.from({ length: 21 }, () => ours),
      [ours, 'AA=='],
    ])
      expect(codes(await merge(x5c)), JSON.stringify(x5c)?.slice(0, 60)).toEqual([400, 'BadParameter'])
    expect(codes(await merge([ours], 'bob'))).toEqual([403, 'Forbidden'])
    expect(codes(await send('DELETE', '/certificates/a/pending', undefined, 'bob'))).toEqual([403, 'Forbidden'])
    const both = await Promise.all([merge([ours]), merge([ours])])
    expect(both.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 404])
    await vault.close()
  })

  it('is given up with its key, and its name is free again; a key of the name stands in the way of a merge', async () => {
    const { vault, send } = await open(await store())
    const { csr } = (await send('POST', '/certificates/a/create', wanted())).body
    expect((await send('DELETE', '/certificates/a/pending')).body.csr).toBe(csr)
    for (const method of ['DELETE', 'GET'] as const)
      expect((await send(method, '/certificates/a/pending')).status).toBe(404)
    expect(codes(await send('POST', '/certificates/a/pending/merge', { x5c: signed(csr) }))).toEqual([
      404,
      'PendingCertificateNotFound',
    ])
    const again = (await send('POST', '/certificates/a/create', wanted())).body
    await send('POST', '/keys/a/create', { kty: 'RSA' })
    expect(codes(await send('POST', '/certificates/a/pending/merge', { x5c: signed(again.csr) }))).toEqual([
      409,
      'Conflict',
    ])
    expect((await send('GET', '/certificates/a/pending')).body.status).toBe('inProgress')
    await vault.close()
  })
})
