import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  collateralPaths,
  type CollateralBundle,
  type CollateralImport,
  type CollateralStatus,
} from '@strongroom/contract'
import { toBase64Url } from '@strongroom/evidence'
import { createLogger, openStore, systemClock } from '@strongroom/platform'
import { testSealer } from '@strongroom/platform/testing'
import { createSilicon, type Silicon } from '@strongroom/silicon'
import fc from 'fast-check'
import { afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import {
  chainPem,
  firmwareIsThere,
  openService,
  ownerObjectId,
  runtimeBytes,
  serveCollateral,
  silicon,
  snpBody,
  snpReport,
  type Answer,
  type TestService,
} from '../testing/harness.ts'
import { migrations } from '../store/migrations.ts'
import { fmspcOf, quoteOf, serveVendors, startVendorServer, type VendorServer } from '../testing/vendor-server.ts'
import { AmdCollateral } from './amd.ts'
import { CollateralCache } from './cache.ts'
import { endpointsFile, parseVendorEndpoints, readVendorEndpoints } from './endpoints.ts'
import { vendorSource } from './sources.ts'

const day = 24 * 3600_000
const snpPath = '/attest/SevSnpVm?api-version=2022-08-01'
const tdxPath = '/attest/TdxVm?api-version=2022-08-01'

describe.skipIf(!firmwareIsThere)('collateral', () => {
  let processor: Silicon
  let report: Uint8Array
  let quote: Uint8Array
  let vendors: VendorServer
  let test: TestService
  const opened: TestService[] = []

  const open = async (o: Partial<Parameters<typeof openService>[0]> = {}): Promise<TestService> => {
    const service = await openService({ anchors: processor.anchors, ...o })
    opened.push(service)
    return service
  }
  const attestSnp = (service: TestService): Promise<Answer> => service.post(snpPath, snpBody(report))
  const attestTdx = (service: TestService): Promise<Answer> =>
    service.post(tdxPath, {
      quote: toBase64Url(quote),
      runtimeData: { data: toBase64Url(runtimeBytes), dataType: 'JSON' },
    })
  const asOwner = { token: ownerObjectId }
  const status = async (service: TestService): Promise<CollateralStatus> =>
    (await service.call('GET', '/collateral', asOwner)).body as CollateralStatus
  const bundleOf = async (service: TestService, source = 'vendors'): Promise<CollateralBundle> =>
    (await service.call('GET', `/collateral/bundle?source=${source}`, asOwner)).body as CollateralBundle
  const load = (service: TestService, bundle: unknown): Promise<Answer> =>
    service.post('/collateral/bundle', bundle, asOwner)

  beforeAll(async () => {
    processor = await silicon()
    report = await snpReport()
    quote = await quoteOf(processor)
  })

  beforeEach(async () => {
    vendors = await startVendorServer()
    await serveVendors(vendors, processor, fmspcOf(quote))
    test = await open({ endpoints: vendors.endpoints })
  })

  afterEach(async () => {
    for (const service of opened.splice(0)) await service.close()
    await vendors.close()
  })

  describe('of the vendors', () => {
    it('is fetched in the form of AMD’s and Intel’s services, once, where the installation has none', async () => {
      const answers = await Promise.all([attestSnp(test), attestSnp(test), attestTdx(test), attestTdx(test)])
      expect(answers.map(({ status: code, body }) => [code, body.error])).toEqual(answers.map(() => [200, undefined]))
      const { product } = await processor.amd.endorsements()
      const asked = vendors.asked.toSorted()
      expect(new Set(asked).size).toBe(asked.length)
      expect(asked).toHaveLength(7)
      expect(asked).toContain(`/kds/vcek/v1/${product}/cert_chain`)
      expect(asked).toContain(`/pcs${collateralPaths.tdxTcbInfo(fmspcOf(quote))}`)
      expect(asked).toContain('/root/IntelSGXRootCA.der')
      expect(asked.find((path) => path.includes('blSPL='))).toMatch(
        new RegExp(`^/kds/vcek/v1/${product}/[0-9a-f]{128}\\?blSPL=\\d+&teeSPL=\\d+&snpSPL=\\d+&ucodeSPL=\\d+$`),
      )
    })

    it('has its next set kept beside the one that counts, where it has one; nothing is judged by it', async () => {
      expect((await attestTdx(test)).status).toBe(200)
      const kinds = async (): Promise<string[]> => (await status(test)).items.map(({ kind }) => kind)
      expect(await kinds()).not.toContain('TDX TCB info, early')
      const { tcbInfoIssuerChainPem } = await processor.intel.collateral()
      const early = collateralPaths.tdxEarlyTcbInfo(fmspcOf(quote))
      vendors.answers.set(`/pcs${early}`, {
        body: await processor.intel.earlyTcbInfo(),
        headers: { 'tcb-info-issuer-chain': encodeURIComponent(tcbInfoIssuerChainPem) },
      })
      test.clock.set(new Date(Date.now() + 3600_000))
      expect(await kinds()).toContain('TDX TCB info, early')
      expect((await bundleOf(test)).items.map(({ path }) => path)).toContain(early)
      const offline = await open()
      expect((await load(offline, await bundleOf(test))).status).toBe(200)
      expect((await attestTdx(offline)).status).toBe(200)
    })

    it('asks for a Turin chip by eight bytes of its id and all five levels, as AMD’s service wants it', async () => {
      const caches = [new CollateralCache({ ...(await emptyStore()), source: vendorSource(vendors.endpoints) })]
      const levels = { fmc: 1, bootLoader: 2, tee: 3, snp: 4, microcode: 75 }
      const hwid = 'ab'.repeat(8) + '00'.repeat(56)
      expect(await new AmdCollateral(caches).chain({ product: 'Turin', hwid, ...levels })).toBeUndefined()
      expect(vendors.asked).toContain(
        `/kds/vcek/v1/Turin/${'ab'.repeat(8)}?fmcSPL=1&blSPL=2&teeSPL=3&snpSPL=4&ucodeSPL=75`,
      )
    })

    it('is not asked for what the installation’s own silicon answers', async () => {
      await serveCollateral(test.collateral, processor)
      expect((await attestSnp(test)).status).toBe(200)
      expect(vendors.asked).toEqual([])
    })

    it.each([500, 302])('fails closed while a vendor answers %i, and follows no redirect', async (code) => {
      vendors.fails = code
      const answer = await attestTdx(test)
      expect(answer.status).toBe(503)
      expect(answer.body.error.code).toBe('CollateralUnavailable')
      vendors.fails = undefined
      expect((await attestTdx(test)).status).toBe(200)
    })

    it.each([
      [429, '120', 120],
      [503, undefined, 10],
      [429, '86400', 300],
    ])('is left alone once it answers %i, for as long as it wants, %s (attack Q11)', async (code, wanted, seconds) => {
      vendors.fails = code
      vendors.retryAfter = wanted
      const refused = async (): Promise<void> => {
        const { status: found, headers, body } = await attestTdx(test)
        expect([found, body.error.code, headers['retry-after']]).toEqual([503, 'CollateralUnavailable', `${seconds}`])
      }
      const now = Date.now()
      test.clock.set(new Date(now))
      await refused()
      vendors.fails = undefined
      test.clock.set(new Date(now + (seconds - 1) * 1000))
      await refused()
      expect(vendors.asked).toHaveLength(1)
      test.clock.set(new Date(now + (seconds + 1) * 1000))
      expect((await attestTdx(test)).status).toBe(200)
    })

    it('shows its state to the owner alone', async () => {
      await attestTdx(test)
      const { sources, items } = await status(test)
      expect(sources).toEqual([
        { name: 'installation', endpoints: ['https://collateral.strongroom.internal'] },
        { name: 'vendors', endpoints: Object.values(vendors.endpoints) },
      ])
      expect(items.map(({ source, kind, state }) => [source, kind, state])).toEqual([
        ['vendors', 'PCK revocation list', 'current'],
        ['vendors', 'Intel root revocation list', 'current'],
        ['vendors', 'TDX QE identity', 'current'],
        ['vendors', 'TDX TCB info', 'current'],
      ])
      for (const [method, path] of [
        ['GET', '/collateral'],
        ['GET', '/collateral/bundle'],
        ['POST', '/collateral/bundle'],
      ] as const) {
        expect((await test.call(method, path)).status).toBe(401)
        expect((await test.call(method, path, { token: 'someone' })).status).toBe(403)
      }
      expect((await test.call('GET', '/collateral/bundle?source=elsewhere', asOwner)).status).toBe(400)
    })
  })

  describe('as a bundle', () => {
    it('goes from an installation that reaches the vendors to one that does not, and attests there', async () => {
      await attestSnp(test)
      await attestTdx(test)
      const bundle = await bundleOf(test)
      expect(bundle.items).toHaveLength(7)
      const offline = await open()
      expect((await attestTdx(offline)).status).toBe(400)
      const { results } = (await load(offline, bundle)).body as CollateralImport
      expect(results.map(({ source, outcome }) => [source, outcome])).toEqual(
        results.map(() => ['installation', 'imported']),
      )
      offline.collateral.down = true
      expect((await attestTdx(offline)).status).toBe(200)
      expect((await attestSnp(offline)).status).toBe(200)
      const again = (await load(offline, bundle)).body as CollateralImport
      expect(again.results.every(({ outcome }) => outcome === 'kept')).toBe(true)
    })

    it('is whole where evidence brought its own chain, and leaves out what nothing in it vouches for', async () => {
      const [stateDir, pem] = [test.stateDir, await chainPem()]
      expect((await test.post(snpPath, snpBody(report, { pem }))).status).toBe(200)
      const { product } = await processor.amd.endorsements()
      const [crl, chain] = [collateralPaths.snpRevocationList(product), collateralPaths.snpCertificateChain(product)]
      expect((await status(test)).items.map(({ path }) => path)).toEqual([chain, crl])
      // As left by releases that stored lists without what vouches for them.
      const store = await openStore({ url: `sqlite:${stateDir}`, service: 'attestation', sealer: testSealer })
      await store.db.deleteFrom('collateral').where('path', '=', `vendors:${chain}`).execute()
      await store.close()
      const later = await open({ endpoints: vendors.endpoints, stateDir })
      expect((await status(later)).items.map(({ path }) => path)).toEqual([crl])
      vendors.fails = 500
      expect((await bundleOf(later)).items).toEqual([])
      vendors.fails = undefined
      const bundle = await bundleOf(later)
      expect(bundle.items.map(({ path }) => path)).toEqual([chain, crl])
      expect((await load(await open(), bundle)).status).toBe(200)
    })

    it('stops to count at its end, and a newer one takes its place', async () => {
      await attestTdx(test)
      const bundle = await bundleOf(test)
      const offline = await open()
      await load(offline, bundle)
      offline.collateral.down = true
      offline.clock.set(new Date(Date.now() + 40 * day))
      const expired = await attestTdx(offline)
      expect([expired.status, expired.body.error.code]).toEqual([503, 'CollateralUnavailable'])
      expect((await load(offline, bundle)).body.error.code).toBe('CollateralRefused')
      expect((await bundleOf(offline, 'installation')).items).toEqual([])
      expect((await status(offline)).items.every(({ state }) => state === 'expired')).toBe(true)
    })

    it('is taken whole or not at all: one item changed, of another root, or without what signs it', async () => {
      await attestSnp(test)
      await attestTdx(test)
      const bundle = await bundleOf(test)
      const offline = await open()
      const changed = (path: RegExp, change: (body: Buffer) => Uint8Array): CollateralBundle => ({
        ...bundle,
        items: bundle.items.map((item) =>
          path.test(item.path)
            ? { ...item, body: Buffer.from(change(Buffer.from(item.body, 'base64'))).toString('base64') }
            : item,
        ),
      })
      const lastByte = (body: Buffer): Buffer => {
        body[body.length - 1]! ^= 1
        return body
      }
      const cases: [string, CollateralBundle][] = [
        ['VCEK', changed(/blSPL/, lastByte)],
        ['AMD list', changed(/crl$/, lastByte)],
        ['root list', changed(/rootcacrl/, lastByte)],
        ['PCK list', changed(/pckcrl/, lastByte)],
        ['TCB info', changed(/tcb/, (body) => Buffer.from(body.toString().replace('"version":', '"version": ')))],
        [
          'QE identity',
          changed(/identity/, (body) => Buffer.from(body.toString().replace(/isvsvn":\d+/, 'isvsvn":0'))),
        ],
        ['no authorities', { ...bundle, items: bundle.items.filter(({ path }) => !path.endsWith('cert_chain')) }],
        ['no chain', { ...bundle, items: bundle.items.map((item) => ({ ...item, headers: {} })) }],
        ['twice', { ...bundle, items: [...bundle.items, bundle.items[0]!] }],
        ['another path', { ...bundle, items: [{ ...bundle.items[0]!, path: '/etc/passwd' }] }],
        ['another format', { ...bundle, format: 'zip' as never }],
      ]
      for (const [name, wrong] of cases) {
        const answer = await load(offline, wrong)
        expect([answer.status, answer.body.error.code], name).toEqual([400, 'CollateralRefused'])
      }
      expect((await status(offline)).items).toEqual([])
    })

    it('of another installation’s silicon is refused: its roots are not trusted here', async () => {
      await attestTdx(test)
      const keys = new Map<string, Uint8Array>()
      const other = await createSilicon({
        keys: {
          load: (name) => Promise.resolve(keys.get(name)),
          save: (name, pkcs8) => Promise.resolve(void keys.set(name, pkcs8)),
        },
        clock: { now: () => new Date() },
      })
      const stranger = await open({ anchors: other.anchors })
      const answer = await load(stranger, await bundleOf(test))
      expect(answer.body.error.code).toBe('CollateralRefused')
      expect(JSON.stringify(answer.body.error.details)).toContain('trust')
    })

    it('is refused by name whatever it is', async () => {
      const offline = await open()
      await fc.assert(
        fc.asyncProperty(fc.oneof(fc.jsonValue(), bundles), async (value) => {
          const answer = await load(offline, value)
          expect(answer.body.error.code).toMatch(/^(CollateralRefused|InvalidRequestContent)$/)
        }),
        { numRuns: 60 },
      )
    })
  })
})

async function emptyStore(): Promise<
  Pick<ConstructorParameters<typeof CollateralCache>[0], 'store' | 'clock' | 'logger' | 'verify'>
> {
  const directory = await mkdtemp(join(tmpdir(), 'B-collateral-'))
  const store = await openStore({ url: `sqlite:${directory}`, service: 'attestation', sealer: testSealer })
  onTestFinished(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  await store.migrate('attestation', migrations)
  return { store, clock: systemClock, logger: createLogger({ level: 'silent' }), verify: () => Promise.resolve([]) }
}

/** Nearly a bundle: at least one item, so that none is empty and valid. */
const bundles = fc.record({
  format: fc.constant('strongroom-collateral'),
  version: fc.constant(1),
  items: fc.array(
    fc.record({
      path: fc.constantFrom(
        collateralPaths.tdxQeIdentity,
        collateralPaths.tdxRootRevocationList,
        collateralPaths.snpRevocationList('Milan'),
        collateralPaths.snpCertificateChain('Milan'),
      ),
      body: fc.oneof(fc.base64String(), fc.jsonValue()),
      headers: fc.oneof(fc.constant({}), fc.constant({ 'sgx-enclave-identity-issuer-chain': '%' }), fc.jsonValue()),
    }),
    { minLength: 1, maxLength: 3 },
  ),
})

describe('addresses of the vendors', () => {
  it('are the vendors’ own in hardware mode, and none in simulated mode, where no file says otherwise', async () => {
    const stateDir = '/nonexistent'
    expect(await readVendorEndpoints(stateDir, 'simulated')).toEqual({})
    expect(await readVendorEndpoints(stateDir, 'hardware')).toEqual({
      amd: 'https://kdsintf.amd.com',
      intel: 'https://api.trustedservices.intel.com',
      intelRootCrl: 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der',
    })
  })

  it('come from the file', () => {
    const endpoints = { amd: 'https://mirror.example/kds', intel: 'http://127.0.0.1:8081' }
    expect(parseVendorEndpoints(JSON.stringify(endpoints), endpointsFile)).toEqual(endpoints)
  })

  it.each([
    '',
    '[]',
    '{"amd":7}',
    '{"amd":"http://mirror.example"}',
    '{"amd":"file:///etc"}',
    '{"amd":"https://user:secret@mirror.example"}',
    '{"amd":"https://mirror.example/?x=1"}',
    '{"nvidia":"https://mirror.example"}',
  ])('refuses %s, and does not start', (text) => {
    expect(() => parseVendorEndpoints(text, endpointsFile)).toThrow(
      expect.objectContaining({ code: 'CollateralEndpointsInvalid' }),
    )
  })
})
