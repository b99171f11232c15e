import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ParseError } from '../core/errors.ts'
import type { PckExtension } from './pck.ts'
import { splitSignedJson } from './signed-json.ts'
import { assessModule, assessPlatform, parseTcbInfo } from './tcb-info.ts'
import { tcbStatuses, worstStatus } from './tcb-status.ts'
import { tdBody } from '../testing/td-body.ts'
import type { TdBody } from './td-body.ts'

const zeros = (count: number): string => '00'.repeat(count)
const components = (svn: number): { svn: number }[] => Array.from({ length: 16 }, () => ({ svn }))
const date = '2026-01-01T00:00:00Z'

function tcbInfoBody(changes: Record<string, unknown> = {}): string {
  const level = (svn: number, tcbStatus: string): unknown => ({
    tcb: { sgxtcbcomponents: components(svn), pcesvn: svn, tdxtcbcomponents: components(svn) },
    tcbDate: date,
    tcbStatus,
    advisoryIDs: tcbStatus === 'UpToDate' ? [] : [`SA-${svn}`],
  })
  const module = { mrsigner: zeros(48), attributes: zeros(8), attributesMask: 'FF'.repeat(8) }
  return JSON.stringify({
    id: 'TDX',
    version: 3,
    issueDate: date,
    nextUpdate: '2026-02-01T00:00:00Z',
    fmspc: '0A0B0C0D0E0F',
    pceId: '0000',
    tcbType: 0,
    tcbEvaluationDataNumber: 5,
    tdxModule: module,
    tdxModuleIdentities: [
      { id: 'TDX_01', ...module, tcbLevels: [{ tcb: { isvsvn: 4 }, tcbDate: date, tcbStatus: 'UpToDate' }] },
    ],
    tcbLevels: [level(5, 'UpToDate'), level(3, 'OutOfDate')],
    ...changes,
  })
}

function platform(svns: number[], pceSvn: number, tee: number[]): ReturnType<typeof assessPlatform> {
  const pck = { componentSvns: svns, pceSvn } as unknown as PckExtension
  return assessPlatform({ tcbInfo: parseTcbInfo(tcbInfoBody()), pck, teeTcbSvn: Uint8Array.from(tee) })
}

const sixteen = (svn: number, ...changes: [number, number][]): number[] => {
  const svns = Array.from({ length: 16 }, () => svn)
  for (const [index, value] of changes) svns[index] = value
  return svns
}

describe('the status of a platform', () => {
  const rank = new Map(tcbStatuses.map((status, index) => [status, index]))

  it.each(tcbStatuses.flatMap((left) => tcbStatuses.map((right) => [left, right] as const)))(
    'of parts %s and %s is never better than either',
    (left, right) => {
      const worst = worstStatus([left, right])
      expect(rank.get(worst)).toBeGreaterThanOrEqual(Math.max(rank.get(left) ?? 0, rank.get(right) ?? 0))
      expect(worst).toBe(worstStatus([right, left]))
      expect(worstStatus([left, left])).toBe(left)
    },
  )

  it('names both remedies where parts need different ones', () => {
    expect(worstStatus(['OutOfDate', 'ConfigurationNeeded'])).toBe('OutOfDateConfigurationNeeded')
    expect(worstStatus(['SWHardeningNeeded', 'ConfigurationNeeded'])).toBe('ConfigurationAndSWHardeningNeeded')
    expect(worstStatus([])).toBe('UpToDate')
  })
})

describe('the TCB level', () => {
  it('is the first that every component reaches', () => {
    expect(platform(sixteen(5), 5, sixteen(5)).status).toBe('UpToDate')
    expect(platform(sixteen(9), 9, sixteen(9)).status).toBe('UpToDate')
    expect(platform(sixteen(4), 9, sixteen(9))).toMatchObject({ status: 'OutOfDate', advisoryIds: ['SA-3'] })
    expect(platform(sixteen(2), 9, sixteen(9)).status).toBe('NoMatchingLevel')
  })

  it.each([
    'UpToDate',
    'SWHardeningNeeded',
    'ConfigurationNeeded',
    'ConfigurationAndSWHardeningNeeded',
    'OutOfDate',
    'OutOfDateConfigurationNeeded',
    'Revoked',
  ])('may be %s, as Intel names it', (status) => {
    const text = tcbInfoBody().replace('"UpToDate","advisoryIDs":[]}', `"${status}","advisoryIDs":[]}`)
    expect(parseTcbInfo(text).levels.map(({ tcbStatus }) => tcbStatus)).toEqual([status, 'OutOfDate'])
  })

  it('falls with any one component below', () => {
    for (let index = 0; index < 16; index++) {
      expect(platform(sixteen(5, [index, 4]), 5, sixteen(5)).status, `SGX component ${index}`).toBe('OutOfDate')
    }
    expect(platform(sixteen(5), 4, sixteen(5)).status).toBe('OutOfDate')
    for (let index = 2; index < 16; index++) {
      expect(platform(sixteen(5), 5, sixteen(5, [1, 1], [index, 2])).status, `TDX component ${index}`).toBe(
        'NoMatchingLevel',
      )
    }
  })

  it('judges the module’s two components with the platform only for modules of version 0', () => {
    expect(platform(sixteen(5), 5, sixteen(5, [0, 0], [1, 1])).status).toBe('UpToDate')
    expect(platform(sixteen(5), 5, sixteen(5, [0, 0], [1, 0])).status).toBe('NoMatchingLevel')
  })

  it('of a module is its identity’s, and a module that no identity names is refused', () => {
    const tcbInfo = parseTcbInfo(tcbInfoBody())
    const module = (tee: number[], changes: Partial<TdBody> = {}): unknown =>
      assessModule(tcbInfo, tdBody({ teeTcbSvn: Uint8Array.from([...tee, ...sixteen(0)].slice(0, 16)), ...changes }))
    expect(module([4, 1])).toMatchObject({ id: 'TDX_01', status: 'UpToDate' })
    expect(module([3, 1])).toMatchObject({ id: 'TDX_01', status: 'NoMatchingLevel' })
    expect(module([3, 0])).toBeUndefined()
    expect(() => module([4, 2])).toThrow(/none that the TCB info knows/)
    expect(() => module([4, 0x1a])).toThrow(expect.objectContaining({ expected: 'TDX_01', found: 'TDX_1A' }))
    const none = parseTcbInfo(tcbInfoBody({ tdxModuleIdentities: [] }))
    expect(() => assessModule(none, tdBody({ teeTcbSvn: Uint8Array.of(4, 1) }))).toThrow(
      expect.objectContaining({ code: 'TdxModuleMismatch', subject: 'TDX module', expected: 'none', found: 'TDX_01' }),
    )
    const lower = tcbInfoBody().replace('"TDX_01"', '"Tdx_01"')
    expect(assessModule(parseTcbInfo(lower), tdBody({ teeTcbSvn: Uint8Array.of(4, 1) }))).toMatchObject({
      id: 'TDX_01',
    })
    for (const version of [0, 1]) {
      const facts = { code: 'TdxModuleMismatch', subject: version === 0 ? 'TDX module' : 'TDX_01' }
      for (const [changes, message, found] of [
        [{ mrSignerSeam: new Uint8Array(48).fill(1) }, /signed by another/, '01'.repeat(48)],
        [{ seamAttributes: new Uint8Array(8).fill(1) }, /other attributes/, '01'.repeat(8)],
      ] as const) {
        expect(() => module([4, version], changes)).toThrow(message)
        expect(() => module([4, version], changes)).toThrow(expect.objectContaining({ ...facts, found }))
      }
    }
  })

  it('of a module leaves open what the mask of its identity leaves out', () => {
    const unmasked = parseTcbInfo(tcbInfoBody().replaceAll('FF'.repeat(8), '00FFFFFFFFFFFFFF'))
    const module = (at: number): unknown =>
      assessModule(
        unmasked,
        tdBody({ seamAttributes: Uint8Array.from({ length: 8 }, (_, index) => (index === at ? 1 : 0)) }),
      )
    expect(module(0)).toBeUndefined()
    expect(() => module(1)).toThrow(/other attributes/)
  })

  it('is handed out as a copy', () => {
    const tcbInfo = parseTcbInfo(tcbInfoBody())
    const pck = { componentSvns: sixteen(3), pceSvn: 3 } as unknown as PckExtension
    const assess = (): ReturnType<typeof assessPlatform> =>
      assessPlatform({ tcbInfo, pck, teeTcbSvn: Uint8Array.from(sixteen(3)) })
    const found = assess()
    expect(found).toEqual({ status: 'OutOfDate', tcbDate: new Date(date), advisoryIds: ['SA-3'] })
    found.tcbDate!.setTime(0)
    ;(found.advisoryIds as string[]).push('SA-4')
    expect(assess()).toEqual({ status: 'OutOfDate', tcbDate: new Date(date), advisoryIds: ['SA-3'] })
    expect(platform(sixteen(0), 0, sixteen(0))).toEqual({ status: 'NoMatchingLevel', advisoryIds: [] })
  })

  it('cannot come from a TCB info of another technology, version or shape', () => {
    const wrong: Record<string, unknown>[] = [
      { id: 'SGX' },
      { version: 2 },
      { tcbType: 1 },
      { fmspc: '0A0B' },
      { pceId: 'zz00' },
      { issueDate: 'yesterday' },
      { tcbEvaluationDataNumber: -1 },
      { tcbEvaluationDataNumber: '18' },
      { tcbLevels: {} },
      { tcbLevels: [{}] },
      { tdxModule: null },
    ]
    for (const changes of wrong)
      expect(() => parseTcbInfo(tcbInfoBody(changes)), JSON.stringify(changes)).toThrow(ParseError)
    const status = {
      tcb: { sgxtcbcomponents: components(0), pcesvn: 0, tdxtcbcomponents: components(0) },
      tcbDate: date,
      tcbStatus: 'Excellent',
    }
    expect(() => parseTcbInfo(tcbInfoBody({ tcbLevels: [status] }))).toThrow(ParseError)
    expect(() =>
      parseTcbInfo(
        tcbInfoBody({
          tcbLevels: [{ ...status, tcbStatus: 'UpToDate', tcb: { ...status.tcb, sgxtcbcomponents: [] } }],
        }),
      ),
    ).toThrow(ParseError)
  })
})

describe('a signed text', () => {
  const signature = 'ab'.repeat(64)

  it('is taken apart without a change, whatever its strings hold', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'grapheme-ascii' }), fc.jsonValue({ stringUnit: 'grapheme-ascii' })),
        fc.constantFrom('', ' ', '\n'),
        (value, space) => {
          const text = JSON.stringify(value)
          expect(
            splitSignedJson(`{${space}"tcbInfo":${text}${space},${space}"signature":"${signature}"}`, 'tcbInfo'),
          ).toEqual({ body: text, signature })
        },
      ),
    )
  })

  it.each([
    ['a second body', `{"tcbInfo":{},"tcbInfo":{},"signature":"${signature}"}`],
    ['another member', `{"tcbInfo":{},"x":{},"signature":"${signature}"}`],
    ['no signature', '{"tcbInfo":{}}'],
    ['a short signature', '{"tcbInfo":{},"signature":"ab"}'],
    ['text after it', `{"tcbInfo":{},"signature":"${signature}"}x`],
    ['no end', `{"tcbInfo":{"a":"`],
    ['an escaped end', '{"tcbInfo":{"a":"\\'],
    ['letters beyond ASCII', `{"tcbInfo":{"a":"é"},"signature":"${signature}"}`],
    ['a list for an object', `[{"tcbInfo":{},"signature":"${signature}"}]`],
    ['nothing', ''],
  ])('with %s is refused', (_name, text) => {
    expect(() => splitSignedJson(text, 'tcbInfo')).toThrow(ParseError)
  })

  it('of any characters is taken apart or refused as a parse error', () => {
    fc.assert(
      fc.property(
        fc.string({
          unit: fc.constantFrom('{', '}', '"', ':', ',', '[', ']', '\\', 'a', '1', ' ', '"tcbInfo"', '"signature"'),
          maxLength: 40,
        }),
        (text) => {
          try {
            splitSignedJson(text, 'tcbInfo')
          } catch (error) {
            expect(error).toBeInstanceOf(ParseError)
          }
        },
      ),
      { numRuns: 1000 },
    )
  })
})
