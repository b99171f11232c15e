import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { metadataVersions } from './metadata/metadata-versions.ts'
import { spec, TestEndpoints, type Answer, type Call } from './testing/test-endpoints.ts'

let endpoints: TestEndpoints
beforeAll(async () => void (endpoints = await TestEndpoints.open()), 60_000)
afterAll(async () => await endpoints.close())
const send = (o: Call): Promise<Answer> => endpoints.send(o)

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
    expect(json.compute).toMatchObject({
      publisher: 'Strongroom',
      sku: '13',
      zone: '2',
      tags: 'team:blue;cost:7',
      vmScaleSetName: 'web',
      platformFaultDomain: '1',
      platformUpdateDomain: '3',
    })
    expect(json.compute.storageProfile.osDisk.diskSizeGB).toBe('3')
    expect(json.network.interface[0]).toMatchObject({
      macAddress: '02535219EF25',
      ipv4: { subnet: [{ address: '10.0.0.0', prefix: '24' }] },
    })
    expect(json.network.interface[1]).toEqual({
      macAddress: '025352AABBCC',
      ipv4: {
        ipAddress: [{ privateIpAddress: '10.0.1.7', publicIpAddress: '' }],
        subnet: [{ address: '10.0.1.0', prefix: '24' }],
      },
      ipv6: { ipAddress: [] },
    })
    expect(
      (await send({ path: '/metadata/instance/network/interface/1/macAddress?api-version=2021-02-01&format=text' }))
        .text,
    ).toBe('025352AABBCC')
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
    for (const path of ['/compute/nothing', '/network/interface/2', '/compute/constructor', '/compute/vmId/0']) {
      const missing = await part(`${path}?${text}`)
      expect([missing.status, missing.json]).toEqual([404, { error: 'Not found' }])
    }
  })

  it('refuses requests without the header, those that a proxy handed on, and methods that it has not', async () => {
    const ours = '/metadata/strongroom/provisioning'
    const azure = '/metadata/instance?api-version=2021-02-01'
    for (const path of [ours, azure, '/metadata/identity/oauth2/token', '/metadata/nothing', '/acc/other']) {
      expect((await send({ path, headers: { metadata: 'false' } })).status, path).toBe(400)
      expect((await send({ path, headers: { 'x-forwarded-for': '10.0.0.1' } })).status, path).toBe(400)
    }
    const forwarded = { method: 'POST', path: '/acc/tdquote', headers: { 'x-forwarded-for': '10.0.0.1' } } as const
    expect((await send(forwarded)).status).toBe(400)
    expect((await send({ path: azure, headers: { metadata: 'false' } })).json).toEqual({
      error: 'Bad request. Required metadata header not specified',
    })
    expect((await send({ path: '/metadata/nothing' })).json).toEqual({ error: 'Not found' })
    const put = await send({ method: 'PUT', path: azure })
    expect([put.status, put.json]).toEqual([405, { error: 'Method not allowed' }])
  })
})

describe('/metadata/scheduledevents', () => {
  const path = '/metadata/scheduledevents?api-version=2020-07-01'
  const approve = async (body: unknown): Promise<Answer> =>
    await send({ path, method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })

  it('is empty while nothing is planned, and then nothing can be approved', async () => {
    expect((await send({ path })).json).toEqual({ DocumentIncarnation: 1, Events: [] })
    expect((await approve({ StartRequests: [{ EventId: 'A' }] })).status).toBe(400)
    expect((await send({ path: '/metadata/scheduledevents' })).status).toBe(400)
    expect((await send({ path, headers: { metadata: undefined } })).status).toBe(400)
  })

  it('shows what is planned as Azure does, and each change by another incarnation', async () => {
    endpoints.planned = { id: 'A', type: 'Redeploy', status: 'Scheduled', notBefore: '2026-11-29T08:00:00.000Z' }
    const { json } = await send({ path })
    expect(json).toEqual({
      DocumentIncarnation: 2,
      Events: [
        {
          EventId: 'A',
          EventStatus: 'Scheduled',
          EventType: 'Redeploy',
          ResourceType: 'VirtualMachine',
          Resources: [spec.name],
          NotBefore: 'Sun, 29 Nov 2026 08:00:00 GMT',
          Description: expect.stringContaining('another host') as string,
          EventSource: 'Platform',
          DurationInSeconds: -1,
        },
      ],
    })
    expect((await send({ path })).json.DocumentIncarnation).toBe(2)
    const old = (await send({ path: path.replace('2020-07-01', '2017-08-01') })).json
    expect(Object.keys(old.Events[0] as object)).not.toContain('EventSource')
    endpoints.planned = { ...endpoints.planned, status: 'Started' }
    expect((await send({ path })).json).toMatchObject({
      DocumentIncarnation: 3,
      Events: [{ EventStatus: 'Started', NotBefore: '' }],
    })
  })

  it('takes the approval of what is planned, and of nothing else', async () => {
    for (const body of [
      '',
      '{',
      '[]',
      '7',
      {},
      { StartRequests: [] },
      { StartRequests: [{}] },
      { StartRequests: [null] },
      { StartRequests: 'A' },
      { StartRequests: [{ EventId: 'B' }] },
    ])
      expect((await approve(body)).status, JSON.stringify(body)).toBe(400)
    expect(endpoints.approved).toEqual([])
    // As Azure's documentation has it, with the older member beside it, in whatever content type.
    expect((await approve({ DocumentIncarnation: 3, StartRequests: [{ EventId: 'A' }] })).status).toBe(200)
    expect(endpoints.approved).toEqual(['A'])
    endpoints.planned = undefined
    expect((await send({ path })).json).toEqual({ DocumentIncarnation: 4, Events: [] })
  })
})

describe('/metadata/attested/document', () => {
  const path = '/metadata/attested/document?api-version=2021-02-01'

  async function verify(signature: string): Promise<Record<string, unknown>> {
    const file = join(endpoints.directory, 'document.der')
    await writeFile(file, Buffer.from(signature, 'base64'))
    const args = ['cms', '-verify', '-inform', 'DER', '-in', file, '-CAfile', endpoints.authority.caPath, '-binary']
    const { stdout } = await run({ command: 'openssl', args })
    return JSON.parse(stdout.toString('utf8')) as Record<string, unknown>
  }

  it('is a document that openssl verifies under the installation’s CA, with the guest’s nonce (attack K6)', async () => {
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
