import { descriptionPath, guestWire, reportPath } from '@strongroom/contract/wires'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { TestEndpoints, type Answer, type Call } from './testing/test-endpoints.ts'

let endpoints: TestEndpoints
beforeAll(async () => void (endpoints = await TestEndpoints.open()), 60_000)
afterAll(async () => await endpoints.close())
const send = (o: Call): Promise<Answer> => endpoints.send(o)

describe('a guest that asks without end', () => {
  it('is told to wait, and is the only one', async () => {
    await endpoints.serve('busy', 'SNP')
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
    await endpoints.serve('any', 'TDX')
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

describe('/metadata/strongroom', () => {
  it('is described, which says nothing of the VM, and refuses what its description does not have', async () => {
    await endpoints.serve('described', 'TDX')
    await endpoints.serve('no-vtpm', 'TDX', true, { vTpm: false })
    const pathsOf = async (guest: string): Promise<string[]> =>
      Object.keys((await send({ guest, path: descriptionPath })).json.paths as object)
    const all = guestWire.operations.map(({ path }) => path.replace(':id', '{id}'))
    expect(await pathsOf('described')).toEqual(all)
    expect(await pathsOf('no-vtpm')).toEqual(all.filter((path) => path !== reportPath))
    const json = { 'content-type': 'application/json' }
    for (const [path, code] of [
      ['/metadata/strongroom/health', 'InvalidGuestHealth'],
      ['/metadata/strongroom/commands/x', 'InvalidCommandResult'],
    ]) {
      const refused = await send({
        guest: 'described',
        method: 'POST',
        path: path!,
        headers: json,
        body: '{"surplus":1}',
      })
      const { error } = refused.json as { error: { code: string; details: { code: string; target: string }[] } }
      expect([refused.status, error.code]).toEqual([400, code])
      expect(error.details).toContainEqual(expect.objectContaining({ code: 'UnknownField', target: 'surplus' }))
    }
  })

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
      'furtherDevices',
      'nonce',
    ])
    expect(lines.every((line) => line.length === 2)).toBe(true)
    const told = (name: string): string => Buffer.from(lines.find(([key]) => key === name)![1]!, 'base64').toString()
    // The size's temporary disk.
    expect([told('nonce'), told('furtherDevices')]).toEqual(['nonce', '1'])
  })

  it('takes what the guest reports about itself, and nothing of another form', async () => {
    const health = {
      swaps: [],
      clock: { daemon: 'active', ptpReference: false },
      tpm: { device: true, lockout: false, seals: true },
      disks: [],
    }
    const post = (body: unknown): Promise<Answer> =>
      send({
        method: 'POST',
        path: '/metadata/strongroom/health',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    expect((await post({ ...health, tpm: {} })).status).toBe(400)
    expect(endpoints.health.has('snp')).toBe(false)
    expect((await post(health)).status).toBe(200)
    expect(endpoints.health.get('snp')).toMatchObject(health)
    expect(endpoints.health.has('tdx')).toBe(false)
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
