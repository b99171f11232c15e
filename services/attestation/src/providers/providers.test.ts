import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSealer, type Store } from '@strongroom/platform'
import { describeStores } from '@strongroom/platform/testing'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { SigningKeys } from '../keys/signing-keys.ts'
import { defaultPolicies } from '../policy/defaults.ts'
import { Policies } from '../policy/policies.ts'
import { readPolicyCertificate, type PolicyCertificate } from '../policy/policy-certificate.ts'
import { PolicyCertificates } from '../policy/policy-certificates.ts'
import { unsignedPolicyJws } from '../policy/stored-policy.ts'
import { migrations } from '../store/migrations.ts'
import { Providers, sharedProvider } from './providers.ts'

const clock = { now: () => new Date() }
const made = { name: 'alpha', regionCode: 'weu', callerObjectId: 'me' }

let folder: string
let certificates: PolicyCertificate[]

/** Self-signed authorities, created once. */
function certificate(name: string, valid = '30'): PolicyCertificate['jwk'] {
  const path = join(folder, name)
  const basic = 'basicConstraints=critical,CA:TRUE'
  const options = ['-newkey', 'rsa:2048', '-nodes', '-days', valid, '-subj', `/CN=${name}`, '-addext', basic]
  execFileSync('openssl', ['req', '-x509', ...options, '-keyout', `${path}.key`, '-out', path], { stdio: 'ignore' })
  const pem = readFileSync(path, 'utf8')
  return { kty: 'RSA', x5c: [pem.replaceAll(/-----[^-]+-----|\s/g, '')] }
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'strongroom-certificates-'))
  certificates = ['one', 'two'].map((name) => readPolicyCertificate(certificate(name), clock.now(), 'x'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('a signer is refused once its certificate has expired', () => {
  const jwk = certificate('short', '1')
  expect(readPolicyCertificate(jwk, clock.now(), 'x').thumbprint).toMatch(/^[0-9A-F]{40}$/)
  const later = new Date(Date.now() + 2 * 24 * 3600_000)
  expect(() => readPolicyCertificate(jwk, later, 'x')).toThrow(/not valid/)
  // Certificates that do not belong together are not a chain, whatever each one contains.
  const stranger = certificates[0]!.jwk.x5c[0]!
  expect(() => readPolicyCertificate({ kty: 'RSA', x5c: [jwk.x5c[0]!, stranger] }, clock.now(), 'x')).toThrow(
    /not valid/,
  )
})

describeStores('providers and their certificates', (openStore) => {
  const open = async (): Promise<Store> => {
    const store = await openStore()
    await store.migrate('attestation', migrations)
    return store
  }

  it('are there again after a restart, beside the shared one', async () => {
    const store = await open()
    const providers = new Providers({ store, clock })
    await providers.create({ ...made, resourceId: '/r/a', certificates })
    const again = new Providers({ store, clock })
    const found = (await again.all()).map(({ name, trustModel }) => [name, trustModel])
    expect([found[0], found.at(-1)]).toEqual([
      ['sharedweu', 'AAD'],
      ['alpha', 'Isolated'],
    ])
  })

  it('give a name to one of two that want it at once, and the same provider to one that asks twice', async () => {
    const store = await open()
    const [here, there] = [
      new Providers({ store, clock }),
      new Providers({ store: await openStore({ sameAs: store }), clock }),
    ]
    const wanted = [
      here.create({ ...made, resourceId: '/r/a', certificates: [] }),
      there.create({ ...made, resourceId: '/r/b', certificates: [] }),
    ]
    const results = await Promise.allSettled(wanted)
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(results.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'NameNotAvailable' } })
    const twice = ['/R/c', '/r/C'].map((resourceId) =>
      here.create({ ...made, name: 'beta', resourceId, certificates: [] }),
    )
    expect((await Promise.all(twice)).filter(({ created }) => created)).toHaveLength(1)
  })

  it('never have the name of one of another origin: an issuer has one meaning', async () => {
    const store = await open()
    const elsewhere = ['alpha.weu.attest.strongroom.internal']
    const providers = new Providers({ store, clock, elsewhere })
    await providers.reserveElsewhere()
    const wanted = { ...made, resourceId: '/r/a', certificates: [] }
    await expect(providers.create(wanted)).rejects.toMatchObject({ code: 'NameNotAvailable' })
    // That name still vouches for key releases after the operator has removed it.
    const later = new Providers({ store, clock })
    await later.reserveElsewhere()
    await expect(later.create(wanted)).rejects.toMatchObject({ code: 'NameNotAvailable' })
    await later.create({ ...wanted, name: 'beta' })
    const taken = new Providers({ store, clock, elsewhere: ['beta.weu.attest.strongroom.internal'] })
    await expect(taken.reserveElsewhere()).rejects.toMatchObject({ code: 'AttestationVerifierNameTaken' })
    expect(await taken.get('beta.weu.attest.strongroom.internal')).toBeUndefined()
  })

  it('keep the last certificate, also when two are removed at once', async () => {
    const store = await open()
    const { provider } = await new Providers({ store, clock }).create({ ...made, resourceId: '/r/a', certificates })
    const signers = new PolicyCertificates({ store, clock })
    const removals = certificates.map(({ thumbprint }) => signers.remove(provider, thumbprint))
    const results = await Promise.allSettled(removals)
    expect(results.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(await signers.list(provider)).toHaveLength(1)
    await signers.remove(provider, 'NOT THERE')
    expect(await signers.list(provider)).toHaveLength(1)
    for (const each of [...certificates, ...certificates]) await signers.add(provider, each, 'me')
    expect(await signers.list(provider)).toHaveLength(2)
  })

  it('leave nothing behind when they are removed, and the shared one alone', async () => {
    const store = await open()
    const providers = new Providers({ store, clock })
    const { provider } = await providers.create({ ...made, resourceId: '/r/a', certificates })
    expect(await providers.remove(provider)).toBe(true)
    expect(await providers.remove(provider)).toBe(false)
    expect((await providers.all()).filter(({ resourceId }) => resourceId !== undefined)).toEqual([])
    expect(await providers.all()).toContainEqual(sharedProvider)
    expect(await new PolicyCertificates({ store, clock }).list(provider)).toEqual([])
  })

  it('get nothing written after they were removed, nor what was meant for the one before of their name (attack P2)', async () => {
    const store = await open()
    const providers = new Providers({ store, clock })
    const { provider } = await providers.create({ ...made, resourceId: '/r/a', certificates: [certificates[0]!] })
    const signers = new PolicyCertificates({ store, clock })
    const policies = new Policies({ store, clock })
    const keys = new SigningKeys({ store, sealer: createSealer(new Uint8Array(32).fill(3)), clock })
    const permitAll = 'version=1.0;authorizationrules{=>permit();};'
    const jws = unsignedPolicyJws(permitAll)
    const late = [
      () => signers.add(provider, certificates[1]!, 'me'),
      () => signers.remove(provider, certificates[0]!.thumbprint),
      () => policies.set(provider, 'SevSnpVm', { jws, text: permitAll }, 'me'),
      () => policies.reset(provider, 'SevSnpVm'),
      () => keys.rotate(provider),
    ]
    await providers.remove(provider)
    for (const work of late) await expect(work()).rejects.toMatchObject({ code: 'ProviderNotFound', status: 404 })
    const later = new Providers({ store, clock: { now: () => new Date(Date.now() + 1000) } })
    const next = await later.create({ ...made, resourceId: '/r/b', certificates: [certificates[0]!] })
    for (const work of late) await expect(work()).rejects.toMatchObject({ code: 'ProviderNotFound', status: 404 })
    expect(await signers.list(next.provider)).toEqual([certificates[0]!.jwk])
    expect((await policies.load(next.provider, 'SevSnpVm')).text).toBe(defaultPolicies.SevSnpVm)
    await keys.rotate(next.provider)
  })
})
