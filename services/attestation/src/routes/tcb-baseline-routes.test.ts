import { collateralPaths } from '@strongroom/contract'
import { parseCertificate, parseTdxQuote, readPckExtension, toBase64Url, toHex } from '@strongroom/evidence'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tdxQuote } from '../testing/guest.ts'
import {
  chainPem,
  firmwareIsThere,
  openService,
  serveTdxCollateral,
  silicon,
  snpBody,
  snpReport,
  type TestService,
} from '../testing/harness.ts'

describe.skipIf(!firmwareIsThere)('TCB baselines', () => {
  let test: TestService
  beforeAll(async () => {
    test = await openService({ anchors: (await silicon()).anchors })
  })
  afterAll(() => test?.close())

  it('are the standard one, and for TDX the TCB info of each platform that was attested', async () => {
    const path = '/tcbbaselines/TdxVm?api-version=2025-06-01'
    const standard = { tcbIdentifier: 'azuredefault', isSelectedTcb: true }
    expect((await test.call('GET', path)).body).toEqual({ tcbBaselines: [standard] })
    const quote = await tdxQuote(new Uint8Array(64))
    const { certification } = parseTdxQuote(quote)
    if (certification.type !== 'pckChain') throw new Error('the quote has no chain')
    const fmspc = toHex(readPckExtension(parseCertificate(certification.chain[0]!)).fmspc)
    const collateral = await (await silicon()).intel.collateral()
    await serveTdxCollateral(test.collateral, collateral, fmspc)
    test.clock.set(new Date(Date.now() + 120_000))
    await test.post('/attest/TdxVm?api-version=2025-06-01', { quote: toBase64Url(quote) })
    const { tcbInfo } = JSON.parse(collateral.tcbInfo) as { tcbInfo: Record<string, unknown> }
    expect((await test.call('GET', path)).body.tcbBaselines).toEqual([
      standard,
      {
        tcbIdentifier: tcbInfo['fmspc'],
        isSelectedTcb: true,
        tcbEvaluationDataNumber: tcbInfo['tcbEvaluationDataNumber'],
        tcbReleaseDate: tcbInfo['issueDate'],
      },
    ])
    // Anonymous, so it causes no requests to others, even if a vendor's item lacks what it is judged by (the evidence
    // then asks for the list and its authorities).
    const asked = test.collateral.asked.length
    test.collateral.answers.set(collateralPaths.snpRevocationList('Milan'), {
      body: (await (await silicon()).amd.endorsements()).crl,
    })
    await test.post('/attest/SevSnpVm?api-version=2025-06-01', snpBody(await snpReport(), { pem: await chainPem() }))
    expect(test.collateral.asked.length).toBe(asked + 2)
    expect((await test.call('GET', path)).body.tcbBaselines).toHaveLength(2)
    expect(test.collateral.asked.length).toBe(asked + 2)
    const snp = await test.call('GET', '/tcbbaselines/SevSnpVm?api-version=2025-06-01')
    const lines = snp.body.tcbBaselines as { tcbIdentifier: string }[]
    expect(lines[0]).toEqual(standard)
    expect(lines.map(({ tcbIdentifier }) => tcbIdentifier).slice(1)).toEqual([
      'Milan',
      'Milan-X',
      'Genoa',
      'Genoa-X',
      'Bergamo',
      'Turin',
      'Turin Dense',
    ])
    expect(lines[1]).toEqual({
      tcbIdentifier: 'Milan',
      isSelectedTcb: true,
      minimum: { snp: 0x1d, microcode: 0xdb },
      advisories: ['AMD-SB-3030', 'AMD-SB-3023', 'AMD-SB-3019', 'AMD-SB-3016', 'AMD-SB-3015', 'AMD-SB-3005'],
      advisoriesNotShown: ['AMD-SB-3045', 'AMD-SB-3034', 'AMD-SB-3027', 'AMD-SB-3020'],
    })
  })

  it('do not exist for types without a vendor’s TCB', async () => {
    const answer = await test.call('GET', '/tcbbaselines/Tpm?api-version=2025-06-01')
    expect(answer.body.error).toMatchObject({ code: 'InvalidParameter', target: 'type' })
  })
})
