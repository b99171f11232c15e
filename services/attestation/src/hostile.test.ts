import { toBase64Url } from '@strongroom/evidence'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  boundTo,
  chainPem,
  collateralBody,
  firmware,
  firmwareIsThere,
  openService,
  runtimeBytes,
  serveCollateral,
  silicon,
  snpBody,
  snpReport,
  type TestService,
} from './testing/harness.ts'

const query = '?api-version=2022-08-01'

describe.skipIf(!firmwareIsThere)('hostile requests', () => {
  let test: TestService
  let snp: Record<string, unknown>
  let report: Uint8Array
  let pem: string
  let quote: Uint8Array
  let tdx: Record<string, unknown>

  beforeAll(async () => {
    const processor = await silicon()
    test = await openService({ anchors: processor.anchors })
    await serveCollateral(test.collateral, processor)
    report = await snpReport()
    pem = await chainPem()
    snp = snpBody(report, { pem })
    quote = await processor.intel.quote(
      await (await processor.intel.launch({ firmware: firmware() })).tdReport(boundTo(runtimeBytes)),
    )
    const runtimeData = { data: toBase64Url(runtimeBytes), dataType: 'JSON' }
    tdx = { quote: toBase64Url(quote), runtimeData, collateral: collateralBody(await processor.intel.collateral()) }
  })
  afterAll(() => test?.close())

  /** Refused in the error envelope, with a reason: never a token, never a server error. */
  const expectRefusal = async (path: string, body: unknown): Promise<void> => {
    const answer = await test.post(`${path}${query}`, body)
    expect(answer.status, JSON.stringify(answer.body)).toBe(400)
    expect(answer.body.error).toMatchObject({ code: expect.any(String), message: expect.any(String) })
    expect(answer.body.error.code).not.toBe('InternalError')
  }

  it('of any JSON are refused with a reason', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('/attest/SevSnpVm', '/attest/TdxVm'), fc.jsonValue(), (path, body) =>
        expectRefusal(path, body),
      ),
      { numRuns: 100 },
    )
  })

  it('with a member of another kind are refused with a reason', async () => {
    const wrong = fc.constantFrom<unknown>(0, true, [], {}, '', 'A', '\u0000', { data: 1, dataType: 'JSON' }, ['x'])
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('report', 'runtimeData', 'nonce', 'draftPolicyForAttestation'),
        wrong,
        async (member, value) => {
          if (member === 'nonce' && typeof value === 'string') return
          await expectRefusal('/attest/SevSnpVm', { ...snp, [member]: value })
        },
      ),
      { numRuns: 40 },
    )
    await fc.assert(
      fc.asyncProperty(fc.constantFrom('quote', 'runtimeData', 'collateral'), wrong, (member, value) =>
        expectRefusal('/attest/TdxVm', { ...tdx, [member]: value }),
      ),
      { numRuns: 40 },
    )
  })

  it('nested deeper than an answer could show are refused before anything is read (attack Q8)', async () => {
    let deep: unknown = 1
    for (let depth = 0; depth < 1_000; depth++) deep = [deep]
    const paths = ['/attest/SevSnpVm', '/attest/TdxVm', '/attest/AzureGuest', '/attest/Tpm']
    for (const path of paths) {
      const answer = await test.post(`${path}${query}`, { ...snp, runtimeData: { data: 'AA', dataType: deep } })
      expect(answer.body.error).toMatchObject({ code: 'InvalidParameter', target: 'body' })
    }
  })

  it('with a changed byte in the certificates are refused with a reason', async () => {
    const lines = pem.split('\n')
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: lines.length - 1 }), fc.nat({ max: 63 }), async (line, column) => {
        const text = lines[line]!
        if (!/^[A-Za-z0-9+/=]+$/.test(text) || column >= text.length || /^=|^.=/.test(text.slice(column))) return
        const other = text[column] === 'A' ? 'B' : 'A'
        const changed = [...lines]
        changed[line] = text.slice(0, column) + other + text.slice(column + 1)
        await expectRefusal('/attest/SevSnpVm', snpBody(report, { pem: changed.join('\n') }))
      }),
      { numRuns: 60 },
    )
  })

  it('with a changed byte in report or quote are refused with a reason', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: report.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const changed = Uint8Array.from(report)
        changed[at]! ^= mask
        await expectRefusal('/attest/SevSnpVm', snpBody(changed, { pem }))
      }),
      { numRuns: 60 },
    )
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: quote.length - 1 }), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        // Line ends in a quote's PEM text may be of any kind; all other bytes count.
        if (quote[at] === 0x0a || at === quote.length - 1) return
        const changed = Uint8Array.from(quote)
        changed[at]! ^= mask
        await expectRefusal('/attest/TdxVm', { ...tdx, quote: toBase64Url(changed) })
      }),
      { numRuns: 60 },
    )
  })
})
