import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { releaseStep, releaseStepHeader } from '@strongroom/contract'
import { carriedOperations, descriptionPath, fleetWire, openApiOf } from '@strongroom/contract/wires'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hostKey, openFleetListener, otherAuthority, spkiOf, type FleetListener } from '../../testing/fleet-listener.ts'

let fleet: FleetListener
beforeAll(async () => {
  fleet = await openFleetListener()
})
afterAll(async () => {
  await fleet.close()
})

const add = async (name: string): Promise<string> =>
  (
    await fleet.registry.add({
      name,
      region: 'westeurope',
      zone: undefined,
      tees: ['SNP'],
      labels: {},
      vCPUs: 8,
      memoryMiB: 32_768,
    })
  ).secret
const unauthenticated = { status: 401, body: { error: { code: 'HostNotAuthenticated' } } }

describe('a host that joins', () => {
  it('gets a certificate of the installation’s for its own key, and renews its lease by it', async () => {
    const host = await fleet.joined('first')
    const certificate = new X509Certificate(host.certificate)
    expect(certificate.verify(new X509Certificate(fleet.authority.caPem).publicKey)).toBe(true)
    expect(certificate.publicKey.export({ type: 'spki', format: 'der' })).toEqual(spkiOf(host))
    expect(certificate.subject).toBe(`CN=host ${host.hostId}`)
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2'])
    expect((await fleet.registry.get('first')).isAlive).toBe(false)
    expect(await fleet.send('/beat', {}, host)).toEqual({
      status: 200,
      body: expect.objectContaining({ leaseSeconds: 10, revision: 0, carry: [] }),
    })
    expect((await fleet.registry.get('first')).isAlive).toBe(true)
  })

  it('gets another certificate for the same key, and goes on with it', async () => {
    const host = await fleet.joined('renewing')
    const { status, body } = await fleet.send('/certificate', {}, host)
    expect([status, body.hostId, body.certificate === host.certificate]).toEqual([200, host.hostId, false])
    expect((await fleet.send('/beat', {}, { ...host, certificate: body.certificate })).status).toBe(200)
  })

  it('is not let in by a join code that was used, or with the key of another (attack W30)', async () => {
    const secret = await add('once')
    const [first, second] = [hostKey(), hostKey()]
    expect((await fleet.join({ name: 'once', secret, by: first })).status).toBe(200)
    const refused = { status: 403, body: { error: { code: 'JoinCodeRefused' } } }
    expect(await fleet.join({ name: 'once', secret, by: second })).toMatchObject(refused)
    // Someone who only copied the public key can neither have it certified nor ask again in its name.
    const keyRefused = { status: 400, body: { error: { code: 'HostKeyInvalid' } } }
    expect(await fleet.join({ name: 'once', secret, by: first, signedBy: second })).toMatchObject(keyRefused)
    const other = await add('other')
    expect(await fleet.join({ name: 'other', secret: other, by: first })).toMatchObject(refused)
    expect(await fleet.join({ name: 'other', secret, by: second })).toMatchObject(refused)
    expect(await fleet.join({ name: 'nobody', secret: other, by: second })).toMatchObject(refused)
    // The code is still valid for its intended host.
    expect((await fleet.join({ name: 'other', secret: other, by: second })).status).toBe(200)
  })

  it('is not certified for a key of another kind, or a body of another form', async () => {
    const secret = await add('kinds')
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
    expect((await fleet.join({ name: 'kinds', secret, by: rsa })).body.error.code).toBe('HostKeyInvalid')
    for (const body of [{}, { name: 'kinds', secret }, { name: 'kinds', secret: 7, publicKey: '', proof: '' }, []])
      expect(await fleet.send('/join', body)).toMatchObject({ status: 400 })
  })
})

describe('a host of another release', () => {
  const ask = async (step: string | undefined, path = '/beat') =>
    await fleet.send(
      path,
      {},
      await fleet.joined(`of-${(step ?? 'none').toLowerCase()}`),
      step === undefined ? {} : { [releaseStepHeader]: step },
    )

  it('works with a server of the release before or after', async () => {
    for (const step of [undefined, String(releaseStep - 1), String(releaseStep), String(releaseStep + 1)])
      expect(await ask(step), step).toMatchObject({ status: 200, body: { leaseSeconds: 10 } })
  })

  it.each([String(releaseStep + 2), '0', 'two', '1.5'])(
    'is refused if it is of release %s, and told what fits',
    async (step) => {
      expect(await ask(step)).toMatchObject({
        status: 409,
        body: { error: { code: 'ReleaseStepsApart', innererror: { expected: 'release step 1 to 3', found: step } } },
      })
      // Before it is anybody’s: a host of another release does not even join.
      expect((await fleet.send('/join', {}, undefined, { [releaseStepHeader]: step })).body.error.code).toBe(
        'ReleaseStepsApart',
      )
    },
  )
})

describe('the wire of hosts', () => {
  it('describes itself to anyone', async () => {
    // In a fleet without guests.
    const operations = fleetWire.operations.filter(
      (each) => each.path === '/installation' || !carriedOperations.includes(each),
    )
    expect(await fleet.send(descriptionPath, undefined)).toEqual({
      status: 200,
      body: openApiOf({ ...fleetWire, operations }),
    })
  })

  it.each([
    ['/join', { name: 'surplus', secret: 's', publicKey: 'k', proof: 'p' }],
    ['/certificate', {}],
    ['/beat', {}],
    ['/report', { vms: [] }],
  ])('refuses a member that %s does not have', async (path, body) => {
    const host = await fleet.joined(`surplus-${path.slice(1)}`)
    expect(await fleet.send(path, { ...body, surplus: 1 }, host)).toMatchObject({
      status: 400,
      body: { error: { code: 'InvalidRequestContent', details: [{ code: 'UnknownField', target: 'surplus' }] } },
    })
  })

  it('names each malformed member of a report', async () => {
    const host = await fleet.joined('wrong-report')
    const vms = [{ vmId: 'a', epoch: -1, run: 1.5, state: 'Gone' }]
    const { status, body } = await fleet.send('/report', { vms }, host)
    expect([status, body.error.details.map(({ target }: { target: string }) => target)]).toEqual([
      400,
      ['vms[0].vmId', 'vms[0].epoch', 'vms[0].run', 'vms[0].state'],
    ])
  })

  it('answers nobody without the certificate of a host (attack W31)', async () => {
    const host = await fleet.joined('genuine')
    const stranger = hostKey()
    const issue = async (
      o: { subject: string; usages: ['clientAuth'] | ['serverAuth']; days?: number },
      by = fleet.authority,
    ) => ({ ...stranger, certificate: await by.issueCertificate({ publicKey: spkiOf(stranger), days: 1, ...o }) })
    const attempts = {
      'no certificate': undefined,
      'the host’s name, over its own key': await issue({ subject: `CN=host ${host.hostId}`, usages: ['clientAuth'] }),
      'a certificate for servers': await issue({ subject: `CN=host ${host.hostId}`, usages: ['serverAuth'] }),
      'another installation’s': await issue(
        { subject: `CN=host ${host.hostId}`, usages: ['clientAuth'] },
        await otherAuthority(),
      ),
    }
    for (const [name, as] of Object.entries(attempts))
      for (const path of ['/beat', '/certificate'])
        expect(await fleet.send(path, {}, as), `${name} at ${path}`).toMatchObject(unauthenticated)
    expect((await fleet.registry.get('genuine')).isAlive).toBe(false)
  })

  it('takes a host’s key under no other host’s name, no expired certificate, and none of a removed host (attack W31)', async () => {
    const [one, two] = [await fleet.joined('one'), await fleet.joined('two')]
    const issue = async (o: { hostId: string; days: number }) => ({
      ...one,
      certificate: await fleet.authority.issueCertificate({
        subject: `CN=host ${o.hostId}`,
        publicKey: spkiOf(one),
        usages: ['clientAuth'],
        days: o.days,
      }),
    })
    expect(await fleet.send('/beat', {}, await issue({ hostId: two.hostId, days: 1 }))).toMatchObject(unauthenticated)
    // Certificates are valid from an hour ago: this one ended a minute later.
    expect(await fleet.send('/beat', {}, await issue({ hostId: one.hostId, days: -59 / 1440 }))).toMatchObject(
      unauthenticated,
    )
    expect((await fleet.send('/beat', {}, await issue({ hostId: one.hostId, days: 1 }))).status).toBe(200)
    await fleet.registry.remove('one')
    expect(await fleet.send('/beat', {}, one)).toMatchObject(unauthenticated)
    expect(await fleet.send('/certificate', {}, one)).toMatchObject(unauthenticated)
    // Rejoined under the old name: the old key stays invalid.
    await fleet.joined('one')
    expect(await fleet.send('/beat', {}, one)).toMatchObject(unauthenticated)
  })
})
