import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { attestationKeyUsage } from '@strongroom/contract'
import { parseTdxQuote, toHex } from '@strongroom/evidence'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { testSilicon } from '../testing.ts'
import { akSpki, spec, TestEndpoints, type Answer, type Call } from './testing/test-endpoints.ts'

let endpoints: TestEndpoints
beforeAll(async () => void (endpoints = await TestEndpoints.open()), 240_000)
afterAll(async () => await endpoints.close())
const send = (o: Call): Promise<Answer> => endpoints.send(o)

describe('/metadata/THIM', () => {
  it('gives the processor’s certificates on SNP, and says what the VM runs on elsewhere', async () => {
    const { json } = await send({ path: '/metadata/THIM/amd/certification' })
    const { amd } = await testSilicon()
    const endorsed = await amd.endorsements()
    expect(json).toEqual({
      vcekCert: endorsed.vcekPem,
      certificateChain: endorsed.chainPem,
      tcbm: endorsed.tcbm,
      cacheControl: '86400',
    })
    const other = await send({ guest: 'tdx', path: '/metadata/THIM/amd/certification' })
    expect([other.status, other.json.error]).toEqual([404, expect.stringContaining('AMD SEV-SNP')])
  })

  it('gives Intel’s collateral on TDX under Intel’s paths', async () => {
    const path = '/metadata/THIM/tdx/certification/v4/qe/identity'
    const { json } = await send({ guest: 'tdx', path })
    expect(json).toHaveProperty('enclaveIdentity.id', 'TD_QE')
    expect((await send({ guest: 'tdx', path: '/metadata/THIM/sgx/certification/v4/rootcacrl' })).status).toBe(200)
    expect((await send({ path })).status).toBe(404)
  })

  it('renews the attestation key’s certificate for this key and this VM alone (attack V6)', async () => {
    const issue = (spki: Uint8Array): Promise<string> =>
      endpoints.authority.issueCertificate({ subject: 'CN=x', publicKey: spki, usages: ['digitalSignature'], days: 1 })
    const renew = (o: { version?: string; vmId?: string; pem: string }): Promise<Answer> =>
      send({
        method: 'POST',
        path:
          `/metadata/THIM/tvm/certificate/renew?api-version=${o.version ?? '2023-07-01'}&` +
          `vmId=${o.vmId ?? spec.vmId.toLowerCase()}&requestId=r`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: encodeURIComponent(o.pem),
      })
    const own = await issue(akSpki)
    const renewed = await renew({ pem: own })
    const certificate = new X509Certificate(renewed.json.AkCertPem as string)
    expect(certificate.keyUsage).toEqual([attestationKeyUsage])
    expect(certificate.subject).toContain(`CN=${spec.vmId}`)
    expect(certificate.verify(createPublicKey(endpoints.authority.caPem))).toBe(true)
    expect(certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(akSpki)).toBe(true)
    expect(certificate.validToDate.getTime()).toBeGreaterThan(Date.now() + 100 * 24 * 3600_000)

    // Azure's client reads the whole index, including zeros after the certificate.
    const padded = Buffer.concat([new X509Certificate(own).raw, Buffer.alloc(900)]).toString('base64')
    const asRead = `-----BEGIN CERTIFICATE-----\n${padded}\n-----END CERTIFICATE-----`
    expect((await renew({ pem: asRead })).json.AkCertPem).toContain('BEGIN CERTIFICATE')

    const id = await renew({ version: '2021-12-01', pem: own })
    const query = (guid: string): Promise<Answer> =>
      send({
        path: `/metadata/THIM/tvm/certificate/query?api-version=2021-12-01&vmId=${spec.vmId}&requestId=r&guid=${guid}`,
      })
    expect(new X509Certificate((await query(id.text)).text).subject).toBe(certificate.subject)
    expect((await query('another')).status).toBe(404)

    const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
    const others = await issue(Uint8Array.from(stranger.export({ type: 'spki', format: 'der' })))
    expect((await renew({ pem: others })).status).toBe(400)
    expect((await renew({ pem: 'no certificate' })).status).toBe(400)
    expect((await renew({ pem: own, vmId: '00000000-0000-4000-8000-000000000000' })).status).toBe(400)
    expect((await renew({ pem: own, version: '2021-02-01' })).status).toBe(400)
  })
})

describe('/acc/tdquote', () => {
  const quote = (body: unknown, o: { guest?: 'snp' | 'tdx'; path?: string } = {}): Promise<Answer> =>
    send({
      guest: o.guest ?? 'tdx',
      method: 'POST',
      path: o.path ?? '/acc/tdquote',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })

  it('quotes a TDREPORT of this host, in the spellings of Azure’s clients', async () => {
    const { intel } = await testSilicon()
    const guest = await intel.launch({ firmware: new Uint8Array(8192) }).catch(() => undefined)
    if (guest === undefined) throw new Error('the firmware of the test cannot be launched')
    const report = Buffer.from(await guest.tdReport(new Uint8Array(64).fill(7)))
    const plain = await quote({ report: report.toString('base64url') })
    const parsed = parseTdxQuote(Buffer.from(plain.json.quote as string, 'base64url'))
    expect(toHex(parsed.body.reportData)).toBe('07'.repeat(64))
    const capital = await quote({ Report: report.toString('base64') }, { path: '/metadata/acc/tdquote' })
    expect(capital.json.Quote).toBe(capital.json.quote)

    report[130] = report[130]! ^ 1
    const forged = await quote({ report: report.toString('base64url') })
    expect([forged.status, forged.json.error]).toEqual([400, expect.stringContaining('not a TDREPORT from this host')])
  })

  // As requested by cvm-attestation-tools (`src/imds_client.py`), Constellation and go-tdx: without the endpoint's header.
  it('answers Microsoft’s Python tool, which sends no Metadata header, as anybody who does (attack W19)', async () => {
    const { intel } = await testSilicon()
    const guest = await intel.launch({ firmware: new Uint8Array(8192) })
    const report = Buffer.from(await guest.tdReport(new Uint8Array(64).fill(9)))
    for (const path of ['/acc/tdquote', '/metadata/acc/tdquote']) {
      const { status, json } = await send({
        guest: 'tdx',
        method: 'POST',
        path,
        headers: {
          metadata: undefined,
          'content-type': 'application/json',
          'user-agent': 'python-requests/2.32.3',
          'accept-encoding': 'gzip, deflate',
          accept: '*/*',
        },
        body: JSON.stringify({ report: report.toString('base64url') }),
      })
      expect(status).toBe(200)
      expect(toHex(parseTdxQuote(Buffer.from(json.quote as string, 'base64url')).body.reportData)).toBe('09'.repeat(64))
    }
  })

  it.each(['', '{', '[]', '{"report":"AAAA"}', '{"report":7}', '{"report":"***"}'])('refuses %s', async (body) => {
    expect((await quote(body)).status).toBe(400)
  })

  it('is not there on SNP', async () => {
    expect((await quote({ report: 'AAAA' }, { guest: 'snp' })).status).toBe(404)
  })
})
