import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { attestationKeyUsage, type InstanceSpec } from '@strongroom/contract'
import { parseTdxQuote, toHex } from '@strongroom/evidence'
import {
  createLogger,
  run,
  ServiceError,
  systemClock,
  type InstallationAuthority,
  type WireRequest,
} from '@strongroom/platform'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exampleSpec, testAuthority, testSilicon } from '../testing.ts'
import { startMetadataServer, type MetadataServer } from './metadata-server.ts'
import { metadataVersions } from './metadata-versions.ts'

const spec: InstanceSpec = {
  ...exampleSpec,
  osProfile: {
    ...exampleSpec.osProfile,
    sshPublicKeys: ['ssh-ed25519 AAAA one\nadminUsername cm9vdA==', 'ssh-rsa BBBB two'],
  },
  tags: { team: 'blue', cost: '7' },
  shown: {
    imageReference: { publisher: 'Strongroom', offer: 'debian', sku: '13', version: '1.0.0' },
    zone: '2',
    subnetPrefix: '10.0.0.0/24',
  },
}
const tenantId = '22222222-2222-4222-8222-222222222222'
const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const akSpki = Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' }))

let directory: string
let authority: InstallationAuthority
const servers: MetadataServer[] = []
const asked: WireRequest[] = []
/** What the directory answers; a VM without an identity where it is absent. */
let identity: { clientId: string; objectId: string } | undefined

async function serveGuest(name: string, tee: 'SNP' | 'TDX'): Promise<void> {
  servers.push(
    await startMetadataServer({
      socket: join(directory, name),
      spec: { ...spec, tee },
      installation: { subscriptionId: 'subscription', tenantId },
      authority,
      clock: systemClock,
      silicon: await testSilicon(),
      wire: {
        close: () => {},
        request: async <T>(o: WireRequest) => {
          asked.push(o)
          if (identity === undefined)
            throw new ServiceError({ code: 'ManagedIdentityNotFound', status: 400, message: 'none' })
          const body = { ...identity, accessToken: 'eyJ.token', expiresIn: 3600, expiresOn: 1_800_003_600 }
          return { status: 200, headers: {}, body: body as T }
        },
      },
      tokens: { token: async (principal, audience) => `${principal} for ${audience}` },
      akSpki,
      nonce: Buffer.from('nonce'),
      logger: createLogger({ level: 'silent' }),
      onReady: async () => {
        throw new ServiceError({ code: 'BootReportRefused', status: 403, message: 'no' })
      },
    }),
  )
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'B-metadata-'))
  authority = await testAuthority(directory)
  await serveGuest('snp', 'SNP')
  await serveGuest('tdx', 'TDX')
  await serveGuest('busy', 'SNP')
}, 60_000)

afterAll(async () => {
  for (const server of servers) await server.close()
  await rm(directory, { recursive: true, force: true })
})

interface Answer {
  status: number
  text: string
  // oxlint-disable-next-line typescript/no-explicit-any -- tests read what the wire answers
  json: any
}

function send(o: {
  guest?: 'snp' | 'tdx' | 'busy' | 'any'
  method?: string
  path: string
  headers?: Record<string, string>
  body?: string
}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        socketPath: join(directory, o.guest ?? 'snp'),
        method: o.method ?? 'GET',
        path: o.path,
        agent: false,
        headers: { metadata: 'true', ...o.headers },
      },
      (response) => {
        let text = ''
        response.on('data', (chunk: Buffer) => (text += chunk.toString()))
        response.on('end', () => {
          const isJson = (response.headers['content-type'] ?? '').includes('json')
          resolve({ status: response.statusCode ?? 0, text, json: isJson ? JSON.parse(text) : undefined })
        })
      },
    )
    sent.on('error', reject)
    sent.end(o.body)
  })
}

describe('/metadata/instance', () => {
  it('answers what Azure’s answers, with flags and numbers as texts', async () => {
    const { status, json } = await send({ path: '/metadata/instance?api-version=2021-02-01' })
    expect(status).toBe(200)
    expect(json.compute.securityProfile).toEqual({
      encryptionAtHost: 'false',
      secureBootEnabled: 'true',
      securityType: 'ConfidentialVM',
      virtualTpmEnabled: 'true',
    })
    expect(json.compute.vmId).toBe(spec.vmId.toLowerCase())
    expect(json.compute).toMatchObject({ publisher: 'Strongroom', sku: '13', zone: '2', tags: 'team:blue;cost:7' })
    expect(json.compute.storageProfile.osDisk.diskSizeGB).toBe('3')
    expect(json.network.interface[0]).toMatchObject({
      macAddress: '02535219EF25',
      ipv4: { subnet: [{ address: '10.0.0.0', prefix: '24' }] },
    })
  })

  it('serves every api-version, older ones with what they had then', async () => {
    for (const version of metadataVersions) {
      expect((await send({ path: `/metadata/instance?api-version=${version}` })).status, version).toBe(200)
    }
    const old = (await send({ path: '/metadata/instance?api-version=2017-04-02' })).json.compute
    expect(Object.keys(old).toSorted()).toEqual([
      'location',
      'name',
      'offer',
      'osType',
      'platformFaultDomain',
      'platformUpdateDomain',
      'publisher',
      'sku',
      'version',
      'vmId',
      'vmSize',
    ])
    expect((await send({ path: '/metadata/versions' })).json.apiVersions).toEqual(metadataVersions)
  })

  it.each(['', '?api-version=2016-01-01', '?api-version=latest', '?api-version=2021-02-01&api-version=2021-02-01'])(
    'refuses the query "%s" in Azure’s words, with the newest versions',
    async (query) => {
      const { status, json } = await send({ path: `/metadata/instance${query}` })
      expect(status).toBe(400)
      expect(json).toEqual({
        error: 'Bad request. api-version is invalid or was not specified in the request.',
        'newest-versions': metadataVersions.slice(-3).toReversed(),
      })
    },
  )

  it('serves every part of the document, a single value as text only', async () => {
    const part = (path: string): Promise<Answer> => send({ path: `/metadata/instance${path}` })
    const text = 'api-version=2021-02-01&format=text'
    expect((await part(`/compute/vmId?${text}`)).text).toBe(spec.vmId.toLowerCase())
    expect((await part(`/COMPUTE/vmid/?${text}`)).text).toBe(spec.vmId.toLowerCase())
    expect((await part(`/network/interface/0/ipv4/ipAddress/0/privateIpAddress?${text}`)).text).toBe('10.0.0.4')
    expect((await part(`?${text}`)).text).toBe('compute/\nnetwork/')
    expect((await part(`/network/interface/0?${text}`)).text).toBe('ipv4/\nipv6/\nmacAddress')
    expect((await part('/compute/tagsList?api-version=2021-02-01')).json).toEqual([
      { name: 'team', value: 'blue' },
      { name: 'cost', value: '7' },
    ])
    const leaf = await part('/compute/vmId?api-version=2021-02-01')
    expect([leaf.status, leaf.json.error]).toEqual([400, expect.stringContaining('format=text')])
    for (const path of ['/compute/nothing', '/network/interface/1', '/compute/constructor', '/compute/vmId/0']) {
      const missing = await part(`${path}?${text}`)
      expect([missing.status, missing.json]).toEqual([404, { error: 'Not found' }])
    }
  })

  it('refuses requests without the header, those that a proxy handed on, and methods that it has not', async () => {
    const ours = '/metadata/strongroom/provisioning'
    const azure = '/metadata/instance?api-version=2021-02-01'
    for (const path of [ours, azure, '/metadata/identity/oauth2/token', '/metadata/nothing', '/acc/tdquote']) {
      expect((await send({ path, headers: { metadata: 'false' } })).status, path).toBe(400)
      expect((await send({ path, headers: { 'x-forwarded-for': '10.0.0.1' } })).status, path).toBe(400)
    }
    expect((await send({ path: azure, headers: { metadata: 'false' } })).json).toEqual({
      error: 'Bad request. Required metadata header not specified',
    })
    expect((await send({ path: '/metadata/nothing' })).json).toEqual({ error: 'Not found' })
    const put = await send({ method: 'PUT', path: azure })
    expect([put.status, put.json]).toEqual([405, { error: 'Method not allowed' }])
  })

  it('plans no work on a guest', async () => {
    const { json } = await send({ path: '/metadata/scheduledevents?api-version=2020-07-01' })
    expect(json).toEqual({ DocumentIncarnation: 1, Events: [] })
  })
})

describe('a guest that asks without end', () => {
  it('is told to wait, and is the only one', async () => {
    const path = '/metadata/identity/info?api-version=2018-02-01'
    const answers = await Promise.all(Array.from({ length: 230 }, () => send({ guest: 'busy', path })))
    const refused = answers.filter(({ status }) => status !== 200)
    expect(refused).toHaveLength(30)
    expect([refused[0]!.status, refused[0]!.json.error_description]).toEqual([429, 'Too many requests'])
    const instance = await send({ guest: 'busy', path: '/metadata/instance?api-version=2021-02-01' })
    expect([instance.status, instance.json]).toEqual([429, { error: 'Too many requests' }])
    expect((await send({ guest: 'busy', path: '/metadata/strongroom/provisioning' })).status).toBe(200)
    expect((await send({ guest: 'tdx', path })).status).toBe(200)
  })
})

describe('any request', () => {
  const part = fc.constantFrom(
    'metadata',
    'instance',
    'THIM',
    'acc',
    'identity',
    'compute',
    '..',
    '%2e%2e',
    '',
    '0',
    '%00',
  )
  const query = fc.constantFrom(
    '',
    '?api-version=2021-02-01',
    '?api-version=2018-02-01&resource=r&format=text',
    '?%',
    '?a[]=1',
  )

  it('ends in an answer in JSON or text, and never in an error of the server', async () => {
    await serveGuest('any', 'TDX')
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { maxLength: 6 }),
        query,
        fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS'),
        fc.oneof(fc.string(), fc.json()),
        async (parts, asked, method, body) => {
          const path = `/${parts.join('/')}${asked}`
          const answer = await send({ guest: 'any', method, path, ...(method !== 'GET' && { body }) })
          expect(answer.status, `${method} ${path}`).toBeLessThan(500)
        },
      ),
      { numRuns: 190 },
    )
  })
})

describe('/metadata/attested/document', () => {
  const path = '/metadata/attested/document?api-version=2021-02-01'

  async function verify(signature: string): Promise<Record<string, unknown>> {
    const file = join(directory, 'document.der')
    await writeFile(file, Buffer.from(signature, 'base64'))
    const args = ['cms', '-verify', '-inform', 'DER', '-in', file, '-CAfile', authority.caPath, '-binary']
    const { stdout } = await run({ command: 'openssl', args })
    return JSON.parse(stdout.toString('utf8')) as Record<string, unknown>
  }

  it('is a document that openssl verifies under the installation’s authority, with the guest’s nonce', async () => {
    const { json } = await send({ path: `${path}&nonce=1234567890` })
    expect(json.encoding).toBe('pkcs7')
    const content = await verify(json.signature as string)
    expect(content).toMatchObject({
      nonce: '1234567890',
      sku: '13',
      subscriptionId: 'subscription',
      vmId: spec.vmId.toLowerCase(),
      plan: { name: '', product: '', publisher: '' },
    })
    expect((content['timeStamp'] as { expiresOn: string }).expiresOn).toMatch(/^\d\d\/\d\d\/\d\d \d\d:\d\d:\d\d -0000$/)
  })

  it('carries the time where the guest gives no nonce', async () => {
    const { json } = await send({ path })
    expect((await verify(json.signature as string))['nonce']).toMatch(/^\d{8}-\d{6}$/)
  })

  it('does not verify once a byte of it is changed', async () => {
    const { json } = await send({ path: `${path}&nonce=1` })
    const bytes = Buffer.from(json.signature as string, 'base64')
    const place = bytes.indexOf(spec.vmId.toLowerCase())
    bytes[place] = bytes[place]! ^ 1
    await expect(verify(bytes.toString('base64'))).rejects.toThrow()
  })

  it.each(['nonce=12345678901', 'nonce=abc', 'nonce=1&nonce=2'])('refuses %s', async (query) => {
    expect((await send({ path: `${path}&${query}` })).status).toBe(400)
  })
})

describe('/metadata/identity/oauth2/token', () => {
  const path = '/metadata/identity/oauth2/token/?api-version=2018-02-01'

  it('gives a token of the VM’s identity, fetched as the machine for this VM alone', async () => {
    identity = { clientId: 'c1', objectId: 'o1' }
    const { status, json } = await send({ path: `${path}&resource=https%3A%2F%2Fvault.azure.net` })
    expect(status).toBe(200)
    expect(json).toEqual({
      access_token: 'eyJ.token',
      client_id: 'c1',
      expires_in: '3600',
      expires_on: '1800003600',
      ext_expires_in: '3600',
      not_before: '1800000000',
      resource: 'https://vault.azure.net',
      token_type: 'Bearer',
    })
    expect(asked.at(-1)).toMatchObject({
      url: `https://login.strongroom.internal/${tenantId}/managedIdentities/token`,
      token: 'orchestrator for https://login.strongroom.internal',
      body: { resourceId: spec.resourceId, audience: 'https://vault.azure.net' },
    })
  })

  it('answers in OAuth’s shape where there is no identity, or another is asked for', async () => {
    identity = undefined
    const none = await send({ path: `${path}&resource=https://vault.azure.net` })
    expect([none.status, none.json]).toEqual([
      400,
      { error: 'invalid_request', error_description: 'Identity not found' },
    ])
    identity = { clientId: 'c1', objectId: 'o1' }
    expect((await send({ path: `${path}&resource=r&client_id=C1&object_id=o1` })).status).toBe(200)
    for (const other of ['client_id=c2', 'object_id=o2', 'msi_res_id=/subscriptions/s', 'client_id=c1&client_id=c1']) {
      const refused = await send({ path: `${path}&resource=r&${other}` })
      expect(refused.json, other).toEqual({ error: 'invalid_request', error_description: 'Identity not found' })
    }
    const missing = await send({ path })
    expect(missing.json.error_description).toBe("Required query variable 'resource' is missing")
    expect((await send({ path: `${path}&resource=a%20b` })).json.error).toBe('invalid_resource')
  })
})

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

  it('renews the attestation key’s certificate for this key and this VM alone', async () => {
    const issue = (spki: Uint8Array): Promise<string> =>
      authority.issueCertificate({ subject: 'CN=x', publicKey: spki, usages: ['digitalSignature'], days: 1 })
    const renew = (o: { version?: string; vmId?: string; pem: string }): Promise<Answer> =>
      send({
        method: 'POST',
        path: `/metadata/THIM/tvm/certificate/renew?api-version=${o.version ?? '2023-07-01'}&vmId=${o.vmId ?? spec.vmId.toLowerCase()}&requestId=r`,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: encodeURIComponent(o.pem),
      })
    const own = await issue(akSpki)
    const renewed = await renew({ pem: own })
    const certificate = new X509Certificate(renewed.json.AkCertPem as string)
    expect(certificate.keyUsage).toEqual([attestationKeyUsage])
    expect(certificate.subject).toContain(`CN=${spec.vmId}`)
    expect(certificate.verify(createPublicKey(authority.caPem))).toBe(true)
    expect(certificate.publicKey.export({ type: 'spki', format: 'der' }).equals(akSpki)).toBe(true)
    expect(certificate.validToDate.getTime()).toBeGreaterThan(Date.now() + 100 * 24 * 3600_000)

    // Azure's client reads the whole index, zeros after the certificate included.
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

  it('quotes a TDREPORT of this machine, in the spellings of Azure’s clients', async () => {
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
    expect([forged.status, forged.json.error]).toEqual([400, expect.stringContaining('not a TDREPORT of this machine')])
  })

  it.each(['', '{', '[]', '{"report":"AAAA"}', '{"report":7}', '{"report":"***"}'])('refuses %s', async (body) => {
    expect((await quote(body)).status).toBe(400)
  })

  it('is not there on SNP', async () => {
    expect((await quote({ report: 'AAAA' }, { guest: 'snp' })).status).toBe(404)
  })
})

describe('/metadata/strongroom', () => {
  it('tells the agent one line per value, so that a value can add no line', async () => {
    const { text } = await send({ path: '/metadata/strongroom/provisioning' })
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' '))
    expect(lines.map(([key]) => key)).toEqual([
      'hostname',
      'adminUsername',
      'sshPublicKey',
      'sshPublicKey',
      'vmId',
      'caPem',
      'proxy',
      'nonce',
    ])
    expect(lines.every((line) => line.length === 2)).toBe(true)
    expect(Buffer.from(lines.at(-1)![1]!, 'base64').toString()).toBe('nonce')
  })

  it('hands a refusal to the guest, and takes no report of another form', async () => {
    const report = { nonce: 'AAAA', quoteMessage: 'AAAA', quoteSignature: 'AAAA', pcrs: {}, eventLog: 'AAAA' }
    const post = (body: unknown): Promise<Answer> =>
      send({
        method: 'POST',
        path: '/metadata/strongroom/ready',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    expect((await post(report)).status).toBe(403)
    expect((await post({})).status).toBe(400)
  })
})
