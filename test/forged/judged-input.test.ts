import { parsePem, utf8, type TrustAnchors } from '@strongroom/evidence'
import { judge, whatIsMissing, type Piece } from '@strongroom/evidence/files'
import { beforeAll, describe, expect, it } from 'vitest'
import { measuredLog } from '../../packages/evidence/src/testing/software-tpm.ts'
import { issueReport } from '../../packages/silicon/src/testing/amd-hierarchy.ts'
import { issueQuote } from '../../packages/silicon/src/testing/intel-hierarchy.ts'
import { now } from '../../packages/silicon/src/testing/times.ts'
import { faultsOf, judgeFiles, type Files } from './support/judged.ts'
import { openMakers, type Makers } from './support/makers.ts'

/** A judgement's inputs besides evidence, and its reports on missing or unreadable ones. */
let makers: Makers
let anchors: TrustAnchors
let report: Uint8Array
beforeAll(async () => {
  makers = await openMakers()
  ;({ anchors } = makers)
  report = await issueReport(makers.amd.vcek)
})
const statement = (): Piece => ({ name: 'r', kind: 'snp-report', bytes: report })

describe('one judgement', () => {
  it('picks from a library what it needs, and asks nothing of the rest', async () => {
    const certificates = parsePem(makers.chain)
    const chain: Piece = { name: 'l', kind: 'certificates', certificates: [Uint8Array.of(1), ...certificates] }
    const crl: Piece = { name: 'l', kind: 'crl', bytes: Uint8Array.of(1) }
    const found = await judge({ pieces: [statement()], library: [crl, chain], anchors, at: now })
    expect([found.verdict, faultsOf(found)]).toEqual(['accepted', []])
    expect(found).not.toHaveProperty('code')
    const without = await judge({ pieces: [statement()], anchors, at: now })
    expect(without.verdict).toBe('unjudged')
    expect(whatIsMissing(without)[0]!.message).toContain('https://kdsintf.amd.com/vcek/v1/Milan/')
  })

  it('says how much is too much', async () => {
    const piece: Piece = { name: 't', kind: 'unknown', reason: 'x' }
    const certificates: Piece = { name: 'c', kind: 'certificates', certificates: Array<Uint8Array>(1001) }
    for (const [pieces, expected, actual] of [
      [Array<Piece>(513).fill(piece), 'at most 512 pieces', '513'],
      [[certificates], 'at most 1000 certificates', '1001'],
    ] as [Piece[], string, string][]) {
      const found = await judge({ pieces, anchors, at: now })
      expect(found.check.children).toMatchObject([{ id: 'file.kind', code: 'TooLarge', expected, actual }])
    }
  })

  it('ends by no fault of its own caller’s clock', async () => {
    const expired = (): boolean => {
      throw new RangeError('no clock')
    }
    await expect(judge({ pieces: [statement()], anchors, at: now, expired })).rejects.toThrow(RangeError)
  })
})

describe('what cannot be read', () => {
  const verdict = async (files: Files): Promise<string[]> => {
    const found = await judgeFiles(files, { anchors, at: now })
    return [found.verdict, ...faultsOf(found)].filter((each) => !/^tdx\..* skipped$/.test(each))
  }

  it('is refused for what it is, and what goes with it stays open', async () => {
    const quote = (await issueQuote(makers.intel)).subarray(0, 600)
    const { log } = measuredLog([[1, 8, utf8('td')]], 'sha384')
    expect(await verdict({ 'quote.bin': quote, 'ccel.bin': log })).toEqual([
      'refused',
      'tdx.format Truncated',
      'log.replay skipped',
    ])
    expect((await verdict({ 't.jwt': `eyJ${'a'.repeat(40)}.e30.AAAA` }))[0]).toBe('refused')
  })
})
