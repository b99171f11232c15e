import { collateralPaths, type CollateralBundle, type CollateralStatus } from '@strongroom/contract'
import { toBase64Url } from '@strongroom/evidence'
import type { Silicon } from '@strongroom/silicon'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  firmwareIsThere,
  newSilicon,
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
import { fmspcOf, quoteOf, serveVendors, startVendorServer, type VendorServer } from '../testing/vendor-server.ts'

const asOwner = { token: ownerObjectId }

describe.skipIf(!firmwareIsThere)('an answer of a vendor or mirror that does not verify', () => {
  let processor: Silicon
  let stranger: Silicon
  let report: Uint8Array
  let quote: Uint8Array
  let fmspc: string
  let product: string
  let vcek: string
  let vendors: VendorServer
  let test: TestService

  const attest = {
    SNP: (): Promise<Answer> => test.post('/attest/SevSnpVm?api-version=2022-08-01', snpBody(report)),
    TDX: (): Promise<Answer> =>
      test.post('/attest/TdxVm?api-version=2022-08-01', {
        quote: toBase64Url(quote),
        runtimeData: { data: toBase64Url(runtimeBytes), dataType: 'JSON' },
      }),
  }
  const status = async (): Promise<CollateralStatus['items']> =>
    ((await test.call('GET', '/collateral', asOwner)).body as CollateralStatus).items
  /** At the vendor's service and, for TDX and AMD, here. */
  const paths = (): Record<string, [there: string, here: string]> => {
    const at = (base: string, path: string): [string, string] => [`${base}${path}`, path]
    return {
      VCEK: [vcek, vcek.replace('/kds', '')],
      authorities: at('/kds', collateralPaths.snpCertificateChain(product)),
      'AMD list': at('/kds', collateralPaths.snpRevocationList(product)),
      'TCB info': at('/pcs', collateralPaths.tdxTcbInfo(fmspc)),
      'QE identity': at('/pcs', collateralPaths.tdxQeIdentity),
      'PCK list': at('/pcs', collateralPaths.tdxPckRevocationList('platform')),
      'root list': ['/root/IntelSGXRootCA.der', collateralPaths.tdxRootRevocationList],
    }
  }

  beforeAll(async () => {
    processor = await silicon()
    stranger = await newSilicon()
    report = await snpReport()
    quote = await quoteOf(processor)
    fmspc = fmspcOf(quote)
    product = (await processor.amd.endorsements()).product
  })

  beforeEach(async () => {
    vendors = await startVendorServer()
    await serveVendors(vendors, processor, fmspc)
    vcek = [...vendors.answers.keys()].find((path) => path.includes('blSPL='))!
    test = await openService({ anchors: processor.anchors, endpoints: vendors.endpoints })
    test.clock.set(new Date())
  })

  afterEach(async () => {
    await test.close()
    await vendors.close()
  })

  const pass = (ms: number): void => test.clock.set(new Date(test.clock.now().getTime() + ms))
  const lastByte = (body: Uint8Array): Uint8Array => body.map((byte, at) => (at === body.length - 1 ? byte ^ 1 : byte))
  const change = (path: string): void => {
    const { body, ...rest } = vendors.answers.get(path)!
    const changed =
      typeof body === 'string' ? body.replace(/\d(?=[^\d]*$)/, (digit) => `${9 - Number(digit)}`) : lastByte(body)
    vendors.answers.set(path, { ...rest, body: changed })
  }

  const found = {
    changed: /signed/,
    'of another installation’s silicon': /not trusted|not signed|belongs under/,
    'a page': /type|PEM|JSON/,
  }

  describe.each([
    ['VCEK', 'SNP'],
    ['authorities', 'SNP'],
    ['AMD list', 'SNP'],
    ['TCB info', 'TDX'],
    ['QE identity', 'TDX'],
    ['PCK list', 'TDX'],
    ['root list', 'TDX'],
  ] as const)('(%s)', (name, tee) => {
    it.each(['changed', 'of another installation’s silicon', 'a page'] as const)(
      'is refused by name, never kept, and asked for again a minute later: %s',
      async (how) => {
        const [there, here] = paths()[name]!
        const good = vendors.answers.get(there)!
        if (how === 'changed') change(there)
        else if (how === 'a page') vendors.answers.set(there, { body: '<html>Sign in</html>' })
        else {
          const theirs = await startVendorServer()
          await serveVendors(theirs, stranger, fmspc)
          const path = name === 'VCEK' ? [...theirs.answers.keys()].find((each) => each.includes('blSPL='))! : there
          vendors.answers.set(there, theirs.answers.get(path)!)
          await theirs.close()
        }
        const refused = await attest[tee]()
        expect([refused.status, refused.body.error.code]).toEqual([503, 'CollateralUnavailable'])
        expect(refused.body.error.innererror).toMatchObject({
          expected: expect.stringContaining('current collateral'),
          found: expect.stringMatching(found[how]),
          remedy: expect.stringContaining('strongroom collateral import'),
        })
        expect((await status()).map(({ path }) => path)).not.toContain(here)
        const asked = vendors.asked.filter((path) => path === there).length
        vendors.answers.set(there, good)
        pass(30_000)
        const again = await attest[tee]()
        expect([again.status, Number(again.headers['retry-after']) <= 60]).toEqual([503, true])
        expect(vendors.asked.filter((path) => path === there)).toHaveLength(asked)
        pass(31_000)
        expect((await attest[tee]()).status).toBe(200)
        expect((await status()).map(({ path }) => path)).toContain(here)
      },
    )

    it('takes no good one’s place', async () => {
      expect((await attest[tee]()).status).toBe(200)
      const [there, here] = paths()[name]!
      const before = (await status()).find(({ path }) => path === here)!
      const asked = vendors.asked.filter((path) => path === there).length
      test.clock.set(new Date(Date.parse(before.refreshAt) + 1000))
      // What the others are verified with expires before this one.
      for (const [path] of Object.values(paths())) change(path)
      await attest[tee]()
      await expect
        .poll(() => vendors.asked.filter((path) => path === there).length, { timeout: 60_000 })
        .toBe(asked + 1)
      await attest[tee]()
      expect((await status()).find(({ path }) => path === here)).toMatchObject({
        fetchedAt: before.fetchedAt,
        expiresAt: before.expiresAt,
      })
      expect(vendors.asked.filter((path) => path === there)).toHaveLength(asked + 1)
    })
  })

  it('is refused where it belongs under another path, in a bundle too', async () => {
    await attest.SNP()
    await attest.TDX()
    const bundle = (await test.call('GET', '/collateral/bundle', asOwner)).body as CollateralBundle
    const moved: [RegExp, string][] = [
      [
        /blSPL=/,
        collateralPaths.snpVcek({ product, hwid: 'ab'.repeat(64), bootLoader: 1, tee: 1, snp: 1, microcode: 1 }),
      ],
      [/fmspc=/, collateralPaths.tdxTcbInfo('00606a000000')],
      [/ca=platform/, collateralPaths.tdxPckRevocationList('processor')],
    ]
    for (const [from, to] of moved) {
      const items = bundle.items.map((item) => (from.test(item.path) ? { ...item, path: to } : item))
      const answer = await test.post('/collateral/bundle', { ...bundle, items }, asOwner)
      expect(answer.body.error).toMatchObject({ code: 'CollateralRefused', target: to })
    }
    vendors.answers.set(
      `/pcs${collateralPaths.tdxTcbInfo('00606a000000')}`,
      vendors.answers.get(paths()['TCB info']![0])!,
    )
    expect((await status()).map(({ path }) => path)).not.toContain(collateralPaths.tdxTcbInfo('00606a000000'))
  })

  it('holds nobody up whose processor another source endorses', async () => {
    await serveCollateral(test.collateral, stranger)
    const chain = collateralPaths.snpCertificateChain(product)
    expect((await attest.SNP()).status).toBe(200)
    expect((await status()).filter(({ path }) => path === chain).map(({ source }) => source)).toEqual(['vendors'])
  })

  it('takes no place of what an operator imports, which counts at once', async () => {
    await attest.SNP()
    const bundle = (await test.call('GET', '/collateral/bundle', asOwner)).body as CollateralBundle
    await test.close()
    test = await openService({ anchors: processor.anchors, endpoints: vendors.endpoints })
    change(vcek)
    expect((await attest.SNP()).status).toBe(503)
    expect((await test.post('/collateral/bundle', bundle, asOwner)).status).toBe(200)
    expect((await attest.SNP()).status).toBe(200)
  })
})
