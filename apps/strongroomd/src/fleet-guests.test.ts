import { createHash, generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { readFile, utimes, writeFile } from 'node:fs/promises'
import { Agent, request as requestByTls } from 'node:https'
import { join } from 'node:path'
import {
  defaultCvmReleasePolicy,
  fleetHost,
  identityAudience,
  sharedAttestationHost,
  type AttestedDocument,
  type BeatAnswer,
  type CarriedCertificate,
  type VmOrder,
} from '@strongroom/contract'
import { SimulatedCarrier } from '@strongroom/host/agent'
import { run } from '@strongroom/platform'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { objectIdOf, type TestInstallation } from './testing/running.ts'
import { makeVm } from './testing/simulated-vm.ts'
import { layStandInImage } from './testing/stand-in-image.ts'
import { TestFleet } from './testing/test-fleet.ts'
import type { TestHost } from './testing/test-hosts.ts'

let fleet: TestFleet
let installation: TestInstallation
let [a, b]: (TestHost | undefined)[] = []
let order: VmOrder
let image: string

/** Ignores its orders: the tests speak for the host themselves. */
const idle = (): SimulatedCarrier => Object.assign(new SimulatedCarrier(), { carry: () => {}, reports: () => [] })

beforeAll(async () => {
  fleet = await TestFleet.start({ compute: 'guests' })
  installation = fleet.installation
  image = await layStandInImage(installation.running.context)
})
afterAll(async () => await fleet.close())

const rsa = (): string =>
  generateKeyPairSync('rsa', { modulusLength: 2048 })
    .publicKey.export({ type: 'spki', format: 'der' })
    .toString('base64')

/** With another modulus: nobody has its private half. */
function another(publicKey: string): string {
  const spki = Buffer.from(publicKey, 'base64')
  randomBytes(32).copy(spki, 100)
  return spki.toString('base64')
}

const over = { status: 409, body: { error: { code: 'PlacementOver' } } }
const notCarried = { status: 403, body: { error: { code: 'CallNotCarried' } } }
const at = (): { vmId: string; epoch: number } => ({ vmId: order.vmId, epoch: order.epoch })
const key = Buffer.alloc(91).toString('base64')
const status = {
  vmId: '00000000-0000-4000-8000-000000000000',
  spec: {},
  provisioning: { state: 'Succeeded', steps: [] },
  power: { state: 'Ready', since: '2026-11-27T10:00:00.000Z', steps: [] },
  notices: [],
}

/** Requests that a host may make for a VM, each with a body. */
const asked = (): Record<string, object> => ({
  '/state': { ...at(), bytes: Buffer.alloc(4 * 1024 * 1024).toString('base64') },
  '/certify': { ...at(), usage: 'attestationKey', publicKey: key },
  '/document': { ...at(), nonce: '1' },
  '/disk': at(),
  '/silicon': { ...at(), ask: 'endorsements' },
  '/call': { ...at(), method: 'GET', url: 'https://sharedweu.weu.attest.strongroom.internal/certs' },
  '/measurements': { ...at(), image, boot: { registers: {}, secureBoot: true } },
  '/event': { ...at(), event: 'A' },
  '/instance': { ...at(), run: order.run, status: { ...status, spec: order.spec }, record: {} },
})

async function stream(host: string, path: string): Promise<number> {
  const identity = JSON.parse(await readFile(join(fleet.folder, host, 'host.json'), 'utf8')) as Record<string, string>
  const [address = '', port] = identity['address']!.split(':')
  const agent = new Agent({ ca: installation.caPem, cert: identity['certificate'], key: identity['privateKey'] })
  return await new Promise<number>((done, fail) => {
    const headers = { connection: 'upgrade', upgrade: 'strongroom-fleet' }
    const sent = requestByTls({ host: address, port, servername: fleetHost, path, headers, agent })
    sent.once('response', (response) => done(response.statusCode ?? 0))
    sent.once('upgrade', (_response, socket) => {
      socket.destroy()
      done(101)
    })
    sent.once('error', fail)
    sent.end()
  })
}

/** A customer's key, and a set whose identity may use it. */
async function makeSet(): Promise<{ key: string; set: string }> {
  const group = `${installation.subscription}/resourceGroups/rg1`
  const location = 'westeurope'
  await installation.arm('PUT', group, { location })
  const { tenantId, owner } = installation
  const allow = (objectId: string, keys: string[]): object => ({ tenantId, objectId, permissions: { keys } })
  const ownerId = await objectIdOf(owner)
  const putVault = async (more: object[]): Promise<void> => {
    const accessPolicies = [allow(ownerId, ['all']), ...more]
    const sku = { family: 'A', name: 'premium' }
    const properties = { tenantId, sku, enablePurgeProtection: true, enabledForDiskEncryption: true, accessPolicies }
    await installation.run('PUT', `${group}/providers/Microsoft.KeyVault/vaults/customer-box`, { location, properties })
  }
  await putVault([])
  const { token } = await owner.getToken('https://vault.azure.net/.default')
  const policy = defaultCvmReleasePolicy(`https://${sharedAttestationHost('weu')}`)
  const { body } = await installation.wire.request<{ key: { kid: string } }>({
    method: 'POST',
    url: 'https://customer-box.vault.strongroom.internal/keys/disk/create?api-version=7.4',
    token,
    body: {
      kty: 'RSA-HSM',
      key_size: 3072,
      attributes: { exportable: true },
      release_policy: { data: Buffer.from(JSON.stringify(policy)).toString('base64url') },
    },
  })
  const set = `${group}/providers/Microsoft.Compute/diskEncryptionSets/set`
  const properties = { activeKey: { keyUrl: body.key.kid }, encryptionType: 'ConfidentialVmEncryptedWithCustomerKey' }
  const { identity } = await installation.arm<{ identity: { principalId: string } }>('PUT', set, {
    location,
    identity: { type: 'SystemAssigned' },
    properties,
  })
  await putVault([allow(identity.principalId, ['get', 'wrapkey', 'unwrapkey'])])
  return { key: body.key.kid, set }
}

describe('a guest that a joined host carries', () => {
  it('is told to its host whole, with the ticket of its placement, and to no other', async () => {
    a = await fleet.join('a', { carrier: idle() })
    // It is never created: the test, which speaks for the host, does not do so.
    void makeVm(installation, { name: 'vm', size: 'Standard_DC2as_v5' }).catch(() => {})
    const ordered = async (): Promise<VmOrder[]> => ((await a!.send('/beat', {})).body as BeatAnswer).carry ?? []
    await expect.poll(async () => (await ordered()).length).toBe(1)
    order = (await ordered())[0]!
    b = await fleet.join('b', { carrier: idle() })
    expect(order).toMatchObject({ epoch: 1, wanted: 'Stopped', spec: { image: image, placement: { epoch: 1 } } })
    expect(((await b!.send('/beat', {})).body as BeatAnswer).carry).toEqual([])
    // Hosts are of 16 cores; what they do not carry stays on the server's own host, and its sizes are as ever.
    const { value } = await installation.arm<{
      value: { name: string; locations: string[]; restrictions: { type: string }[] }[]
    }>('GET', `${installation.subscription}/providers/Microsoft.Compute/skus`)
    const restricted = (name: string): string[] =>
      value.find((sku) => sku.name === name && sku.locations[0] === 'westeurope')!.restrictions.map(({ type }) => type)
    expect(
      ['Standard_DC16as_v5', 'Standard_DC32as_v5', 'Standard_D2as_v5', 'Standard_D32as_v5'].map(restricted),
    ).toEqual([[], ['Location'], [], []])
  })

  it('has its state, key, disk and certificates asked for by no host but its own, at no epoch but its own (attack W37)', async () => {
    for (const [path, body] of Object.entries(asked())) {
      expect(await b!.send(path, body), `${path} of another host`).toMatchObject(over)
      for (const epoch of [order.epoch + 1, 7_000])
        expect(await a!.send(path, { ...body, epoch }), `${path} at ${epoch}`).toMatchObject(over)
      expect((await a!.send(path, { ...body, epoch: 0 })).status, `${path} at none`).toBe(400)
      expect(await a!.send(path, { ...body, vmId: '00000000-0000-4000-8000-000000000000' }), path).toMatchObject(over)
    }
    for (const kind of ['disk', 'guest']) {
      expect(await stream('b', `/${kind}/${order.vmId}/${order.epoch}`), kind).toBe(409)
      expect(await stream('a', `/${kind}/${order.vmId}/${order.epoch + 1}`), kind).toBe(409)
      expect(await stream('a', `/${kind}/../${order.epoch}`), kind).toBe(409)
    }
    expect(await a!.send('/event', { ...at(), event: 'A' })).toMatchObject({
      status: 404,
      body: { error: { code: 'EventNotPlanned' } },
    })
    expect(await stream('a', `/ssh/${order.vmId}/00000000-0000-4000-8000-000000000000`)).toBe(404)
    expect(await stream('a', `/disk/${order.vmId}/${order.epoch}`)).toBe(101)
    expect(await a!.send('/disk', at())).toMatchObject({ status: 200, body: {} })
  })

  it('has documents about it signed by the server, with what the server knows about it (attack W48)', async () => {
    const { status, body } = await a!.send('/document', { ...at(), nonce: '1234567890' })
    expect([status, (body as AttestedDocument).encoding]).toEqual([200, 'pkcs7'])
    const file = join(fleet.folder, 'document.der')
    await writeFile(file, Buffer.from((body as AttestedDocument).signature, 'base64'))
    const caPath = join(fleet.folder, 'ca.pem')
    await writeFile(caPath, installation.caPem)
    const args = ['cms', '-verify', '-inform', 'DER', '-in', file, '-CAfile', caPath, '-binary']
    const { stdout } = await run({ command: 'openssl', args })
    expect(JSON.parse(stdout.toString('utf8'))).toMatchObject({
      nonce: '1234567890',
      vmId: order.vmId.toLowerCase(),
      subscriptionId: installation.subscription.split('/').at(-1),
    })
    // The host has no say in it, and gets no certificate to say it with.
    for (const more of [{ spec: order.spec }, { nonce: '12345678901' }, { nonce: 1 }])
      expect((await a!.send('/document', { ...at(), ...more })).status, JSON.stringify(more)).toBe(400)
    for (const usage of ['documents', 'emailProtection'])
      expect((await a!.send('/certify', { ...at(), usage, publicKey: rsa() })).status, usage).toBe(400)
  })

  it('has few keys certified at a time, each for hours and at its epoch (attack W49)', async () => {
    const ask = async (publicKey: string, usage = 'attestationKey'): ReturnType<TestHost['send']> =>
      await a!.send('/certify', { ...at(), usage, publicKey })
    const own = rsa()
    for (const usage of ['attestationKey', 'endorsementKey']) {
      const { certificate } = (await ask(own, usage)).body as CarriedCertificate
      const { subject, validToDate, publicKey } = new X509Certificate(certificate)
      expect(subject.split('\n')).toEqual(expect.arrayContaining([`CN=${order.vmId}`, `OU=Placement ${order.epoch}`]))
      expect(validToDate.getTime() - Date.now()).toBeLessThan(12.1 * 3600_000)
      expect(publicKey.export({ type: 'spki', format: 'der' }).toString('base64')).toBe(own)
    }
    for (let more = 1; more < 64; more++) expect((await ask(another(own))).status).toBe(200)
    expect(await ask(another(own))).toMatchObject({ status: 429, body: { error: { code: 'TooManyKeys' } } })
    // The other kind of key has its own count, and a renewal is of the same key.
    for (let renewal = 0; renewal < 70; renewal++) expect((await ask(own, 'endorsementKey')).status).toBe(200)
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
    for (const other of [key, ec.export({ type: 'spki', format: 'der' }).toString('base64')])
      expect(await ask(other)).toMatchObject({
        status: 400,
        body: { error: { code: 'InvalidRequestContent', target: 'publicKey' } },
      })
  })

  it('has nothing called for it but its own provider, key and identity (attack W37)', async () => {
    const spec = order.spec as { guestStateKey: string; resourceId: string }
    const others = [
      {
        method: 'POST',
        url: `${spec.guestStateKey.replace(/vm-[0-9a-f-]+/, 'vm-00000000-0000-4000-8000-000000000000')}/release`,
      },
      { method: 'POST', url: `${spec.guestStateKey}/../../../keys/create` },
      { method: 'DELETE', url: spec.guestStateKey },
      { method: 'GET', url: 'https://management.strongroom.internal/subscriptions' },
      { method: 'GET', url: 'https://platform.vault.strongroom.internal/keys?api-version=7.4' },
      { method: 'GET', url: `${spec.guestStateKey}?api-version=7.4&x=y` },
      { method: 'GET', url: 'http://127.0.0.1/' },
      {
        method: 'POST',
        url: `${identityAudience}/${installation.tenantId}/managedIdentities/token`,
        body: { resourceId: `${spec.resourceId}2`, audience: 'https://vault.azure.net' },
      },
    ]
    for (const call of others) {
      const answer = await a!.send('/call', { ...at(), ...call })
      if (call.method === 'DELETE') expect(answer.status).toBe(400)
      else expect(answer, call.url).toMatchObject(notCarried)
    }
    // What one parser ends the query or the host with, another may not.
    const key = spec.guestStateKey
    for (const url of [
      `${key}?api-version=7.4?x=y`,
      `${key}??api-version=7.4`,
      `${key}?api-version=7.4#x`,
      `${key}#?api-version=7.4`,
      `${key}?api-version=7.4%3Fx`,
      `${key}?api-version=7.4%26x`,
      `${key}%3Fapi-version=7.4`,
      `${key}?`,
      `${key}/../${key.split('/').at(-1)}?api-version=7.4`,
      `${key}/?api-version=7.4`,
      `${key}\\?api-version=7.4`,
      `${key.replace('//', '//x@')}?api-version=7.4`,
      `${key.replace('/keys/', ':443/keys/')}?api-version=7.4`,
      `${key.replace('/keys/', '/%6beys/')}?api-version=7.4`,
    ])
      expect(await a!.send('/call', { ...at(), method: 'GET', url }), url).toMatchObject(notCarried)
    const own = await a!.send('/call', { ...at(), method: 'GET', url: `${spec.guestStateKey}?api-version=7.4` })
    expect(own).toMatchObject({ status: 200, body: { body: { key: { kid: spec.guestStateKey } } } })
    expect(JSON.stringify(own.body)).not.toContain('Bearer')
  })

  it('under a customer’s key has that key read for it, and gets no token of its set and no other use of the key (attack W37)', async () => {
    const { key, set } = await makeSet()
    const d = await fleet.join('d', { carrier: idle(), vCPUs: 64 })
    try {
      // Only this host has room for it.
      void makeVm(installation, { name: 'mine', size: 'Standard_DC32as_v5', diskEncryptionSet: set }).catch(() => {})
      const ordered = async (): Promise<VmOrder[]> => ((await d.send('/beat', {})).body as BeatAnswer).carry ?? []
      await expect.poll(async () => (await ordered()).length).toBe(1)
      const mine = (await ordered())[0]!
      expect(mine.spec).toMatchObject({ customerKey: { diskEncryptionSet: set, identity: set, keyIds: [key] } })
      const own = { vmId: mine.vmId, epoch: mine.epoch }
      const get = { method: 'GET', url: `${key}?api-version=7.4` }
      expect(await d.send('/call', { ...own, ...get })).toMatchObject({
        status: 200,
        body: { body: { key: { kid: key } } },
      })
      const token = {
        method: 'POST',
        url: `${identityAudience}/${installation.tenantId}/managedIdentities/token`,
        body: { resourceId: set, audience: 'https://vault.azure.net' },
      }
      expect(await d.send('/call', { ...own, ...token })).toEqual({ status: 200, body: { body: { accessToken: '' } } })
      for (const verb of ['wrapkey', 'unwrapkey', 'decrypt'])
        expect(
          await d.send('/call', {
            ...own,
            method: 'POST',
            url: `${key}/${verb}?api-version=7.4`,
            body: { alg: 'RSA-OAEP-256', value: 'AAAA' },
          }),
          verb,
        ).toMatchObject(notCarried)
      // Released to attested boots alone.
      const release = { method: 'POST', url: `${key}/release?api-version=7.4`, body: { target: 'e30.e30.e30' } }
      expect((await d.send('/call', { ...own, ...release })).status).toBeGreaterThanOrEqual(400)
      // Another VM has no access to it, not even if it names no resource.
      for (const call of [get, release, token, { ...token, body: { audience: 'https://vault.azure.net' } }])
        expect(await a!.send('/call', { ...at(), ...call })).toMatchObject(notCarried)
    } finally {
      await d.stop()
    }
  })

  it('has reports made over its own claims alone, of the firmware of the server (attack W37)', async () => {
    const claims = (vmUniqueId: string, epoch: unknown): string =>
      Buffer.from(JSON.stringify({ keys: [], 'vm-configuration': { vmUniqueId, 'placement-epoch': epoch } })).toString(
        'base64',
      )
    const firmware = 'ab'.repeat(32)
    expect(await a!.send('/silicon', { ...at(), ask: 'launch', tee: 'SNP', vCPUs: 2, firmware })).toMatchObject(
      notCarried,
    )
    for (const each of [
      claims('00000000-0000-4000-8000-000000000000', order.epoch),
      claims(order.vmId, order.epoch + 1),
      claims(order.vmId, String(order.epoch)),
      claims(order.vmId, undefined),
      Buffer.from('no claims').toString('base64'),
      claims(order.vmId, order.epoch),
    ])
      // The last is its own, but nothing was launched.
      expect(await a!.send('/silicon', { ...at(), ask: 'report', launch: 'x', claims: each })).toMatchObject(notCarried)
  })

  it('has evidence taken of it that is of no other VM, nor of another epoch, nor of a VM that has none (attack W32)', async () => {
    const evidenceOf = (vmId: string, attested: string, epoch: unknown): object => {
      const claims = { keys: [], 'vm-configuration': { vmUniqueId: attested, 'placement-epoch': epoch } }
      return { vmId, runtimeClaims: Buffer.from(JSON.stringify(claims)).toString('base64url') }
    }
    const said = asked()['/instance']!
    const other = '00000000-0000-4000-8000-000000000000'
    for (const evidence of [
      evidenceOf(other, other, order.epoch),
      evidenceOf(order.vmId, other, order.epoch),
      evidenceOf(other, order.vmId, order.epoch),
      evidenceOf(order.vmId, order.vmId, order.epoch + 1),
      evidenceOf(order.vmId, order.vmId, undefined),
      { vmId: order.vmId, runtimeClaims: 'no claims' },
      {},
    ])
      expect(await a!.send('/instance', { ...said, evidence }), JSON.stringify(evidence)).toMatchObject({
        status: 400,
        body: { error: { code: 'InvalidRequestContent' } },
      })
    const vm = (order.spec as { resourceId: string }).resourceId
    await expect(installation.arm('POST', `${vm}/retrieveBootEvidence`)).rejects.toMatchObject({
      code: 'BootEvidenceNotFound',
    })
    const own = { ...said, evidence: evidenceOf(order.vmId, order.vmId, order.epoch) }
    expect((await a!.send('/instance', own)).status).toBe(200)
    expect(await installation.arm('POST', `${vm}/retrieveBootEvidence`)).toMatchObject({ vmId: order.vmId })
  })

  it('has no record taken of it that its next host could not use, and that host gets none of it (attack W47)', async () => {
    const said = asked()['/instance']!
    const recordOf = async (): Promise<unknown> => {
      const { body } = (await a!.send('/beat', {})) as unknown as { body: BeatAnswer }
      return body.carry?.find(({ vmId }) => vmId === order.vmId)?.record
    }
    expect((await a!.send('/instance', { ...said, record: { notices: ['before'] } })).status).toBe(200)
    for (const [member, value] of [
      ['sshPort', '2222,hostfwd=tcp::1-:22'],
      ['sshPort', 0],
      ['volume', '../../volume'],
      ['wrappedBy', 'https://elsewhere/keys/a'],
      ['surplus', 1],
    ] as const)
      expect(await a!.send('/instance', { ...said, record: { [member]: value } }), member).toMatchObject({
        status: 400,
        body: { error: { code: 'InvalidRequestContent', details: [{ target: `record.${member}` }] } },
      })
    expect(await recordOf()).toEqual({ notices: ['before'] })
  })

  it('is made of no image but what the server says, byte for byte (attack W39)', async () => {
    const disk = join(installation.running.context.cacheDir, 'images', image, 'disk.raw')
    // Someone in between, or on the server’s disk, changes a byte after its digest was sent.
    const c = await fleet.join('c', { vCPUs: 64 })
    try {
      await utimes(disk, 1, 1)
      const digest = createHash('sha256').update('the disk.raw').digest('hex')
      expect(await stream('a', `/image/${image}/${digest}`)).toBe(101)
      expect(await stream('a', `/image/${image}/${digest.replace(/./, 'x')}`)).toBe(404)
      await writeFile(disk, 'THE disk.raw')
      await utimes(disk, 1, 1)
      const changed = makeVm(installation, { name: 'changed', size: 'Standard_DC32as_v5' })
      await expect(changed).rejects.toThrow('ImageChanged')
    } finally {
      await c.stop()
    }
  })
})
