import { describe, expect, it } from 'vitest'
import { ParseError } from '../core/errors.ts'
import type { PckExtension } from './pck.ts'
import { tdxShortfall, type TdxShortfall } from './shortfall.ts'

const sixteen = (svn: number, at?: number, value = svn): number[] =>
  Array.from({ length: 16 }, (_, index) => (index === at ? value : svn))
const moduleIdentity = { mrsigner: '00'.repeat(48), attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) }

/** Levels as Intel lists them, best first: [SVN of every part, status]. The second component is Intel's microcode. */
function tcbInfo(
  levels: [svn: number, status: string][],
  moduleLevels: [isvsvn: number, status: string][] = [[0, 'UpToDate']],
): string {
  const level = ([svn, tcbStatus]: [number, string]): unknown => ({
    tcb: {
      sgxtcbcomponents: sixteen(svn).map((each, index) =>
        index === 1
          ? { svn: each, category: 'OS/VMM', type: 'Late Microcode Update' }
          : index === 2
            ? { svn: each, category: 'BIOS', type: '' }
            : { svn: each },
      ),
      pcesvn: svn,
      tdxtcbcomponents: sixteen(svn).map((each, index) =>
        index === 9 ? { svn: each, category: 'OS/VMM', type: 'Loader' } : { svn: each },
      ),
    },
    tcbDate: `2026-0${svn}-01T00:00:00Z`,
    tcbStatus,
    advisoryIDs: tcbStatus === 'UpToDate' ? [] : [`INTEL-SA-${svn}`],
  })
  const body = JSON.stringify({
    id: 'TDX',
    version: 3,
    issueDate: '2026-11-01T00:00:00Z',
    nextUpdate: '2026-12-01T00:00:00Z',
    fmspc: '0A0B0C0D0E0F',
    pceId: '0000',
    tcbType: 0,
    tcbEvaluationDataNumber: 19,
    tdxModule: moduleIdentity,
    tdxModuleIdentities: [
      {
        id: 'TDX_01',
        ...moduleIdentity,
        tcbLevels: moduleLevels.map(([isvsvn, tcbStatus]) => ({
          tcb: { isvsvn },
          tcbDate: '2026-01-01T00:00:00Z',
          tcbStatus,
          advisoryIDs: tcbStatus === 'UpToDate' ? [] : [`INTEL-SA-M${isvsvn}`],
        })),
      },
    ],
    tcbLevels: levels.map(level),
  })
  return `{"tcbInfo":${body},"signature":"${'00'.repeat(64)}"}`
}

const lacksAt = (text: string, sgx: number[], pceSvn: number, tee: number[]): TdxShortfall =>
  tdxShortfall({
    tcbInfo: text,
    pck: { componentSvns: sgx, pceSvn } as unknown as PckExtension,
    teeTcbSvn: Uint8Array.from(tee),
  })

/** Version 0 of the module, whose SVN is the platform's. */
const old = (svn: number): number[] => sixteen(svn, 1, 0)

describe('what a TDX platform lacks', () => {
  const text = tcbInfo([
    [5, 'UpToDate'],
    [4, 'UpToDate'],
    [3, 'OutOfDate'],
  ])

  it.each([5, 4])('is nothing at any level that is up to date, the later one as well: %i', (svn) => {
    const found = lacksAt(text, sixteen(svn), svn, [...sixteen(svn, 1, 1)])
    expect(found).toMatchObject({ status: 'UpToDate', lacks: [], advisoryIds: [], tcbEvaluationDataNumber: 19 })
    expect(found.wantedDate).toEqual(new Date('2026-04-01T00:00:00Z'))
  })

  it('is told part by part against the least level that is up to date, with who brings the update', () => {
    const found = lacksAt(text, sixteen(4, 1, 3), 3, sixteen(4, 1, 1))
    expect(found).toMatchObject({ status: 'OutOfDate', advisoryIds: ['INTEL-SA-3'] })
    expect(found.tcbDate).toEqual(new Date('2026-03-01T00:00:00Z'))
    expect(found.lacks).toEqual([
      {
        component: 'SGX component 2 (Late Microcode Update)',
        found: 3,
        wanted: 4,
        update: expect.stringContaining('microcode'),
      },
      { component: 'provisioning certification enclave', found: 3, wanted: 4, update: expect.stringContaining('PCK') },
    ])
  })

  it('names the BIOS where Intel does, and a part without a name by its number', () => {
    const { lacks } = lacksAt(text, sixteen(4, 2, 3), 4, sixteen(4, 7, 3).with(1, 1))
    expect(lacks.map(({ component }) => component)).toEqual(['SGX component 3', 'TDX component 8'])
    for (const { update } of lacks) expect(update).toContain('BIOS')
  })

  it('counts the first two TDX components with the platform only for modules of version 0', () => {
    const sgx = sixteen(4)
    expect(lacksAt(text, sgx, 4, old(4)).lacks.map(({ component }) => component)).toEqual(['TDX component 2'])
    expect(lacksAt(text, sgx, 4, sixteen(4, 1, 1).with(0, 0)).lacks).toEqual([])
  })

  it('has the TDX module, its status and its advisories in it', () => {
    const modules = tcbInfo(
      [[4, 'UpToDate']],
      [
        [6, 'UpToDate'],
        [5, 'UpToDate'],
        [2, 'OutOfDate'],
      ],
    )
    const at = (isvSvn: number): TdxShortfall => lacksAt(modules, sixteen(4), 4, sixteen(4, 1, 1).with(0, isvSvn))
    expect(at(5)).toMatchObject({ status: 'UpToDate', lacks: [], advisoryIds: [] })
    expect(at(4)).toMatchObject({
      status: 'OutOfDate',
      advisoryIds: ['INTEL-SA-M2'],
      lacks: [{ component: 'TDX module TDX_01', found: 4, wanted: 5, update: expect.stringContaining('module') }],
    })
    expect(at(1).status).toBe('NoMatchingLevel')
  })

  it('is told against the best level where none is up to date', () => {
    const hardening = tcbInfo([
      [5, 'SWHardeningNeeded'],
      [3, 'OutOfDate'],
    ])
    expect(lacksAt(hardening, sixteen(5), 5, sixteen(5, 1, 1))).toMatchObject({
      status: 'SWHardeningNeeded',
      lacks: [],
      advisoryIds: ['INTEL-SA-5'],
    })
    expect(lacksAt(hardening, sixteen(5), 4, sixteen(5, 1, 1)).lacks).toMatchObject([{ found: 4, wanted: 5 }])
  })

  it('names what to update by whom it comes from', () => {
    const lacks = [
      ...lacksAt(text, sixteen(4, 1, 3), 4, sixteen(4, 9, 3).with(1, 1)).lacks,
      ...lacksAt(text, sixteen(4, 2, 3), 4, sixteen(4, 1, 1)).lacks,
      ...lacksAt(text, sixteen(4, 5, 3), 4, sixteen(4, 1, 1)).lacks,
    ]
    expect(lacks.map(({ component }) => component)).toEqual([
      'SGX component 2 (Late Microcode Update)',
      'TDX component 10 (Loader)',
      'SGX component 3',
      'SGX component 6',
    ])
    const [system, loader, bios, unnamed] = lacks.map(({ update }) => update)
    expect(loader).toBe(system)
    expect(new Set([system, bios, unnamed]).size).toBe(3)
    expect([bios, unnamed].every((update) => update!.includes('BIOS'))).toBe(true)
  })

  it('is the platform’s own where its module is of version 0 or has no identity', () => {
    expect(lacksAt(text, sixteen(1), 1, old(1)).status).toBe('NoMatchingLevel')
    const modules = tcbInfo([[4, 'UpToDate']], [[9, 'Revoked']])
    const version = (number: number): TdxShortfall => lacksAt(modules, sixteen(4), 4, sixteen(4, 1, number))
    expect(version(1).status).toBe('NoMatchingLevel')
    expect(version(2)).toMatchObject({ status: 'UpToDate', lacks: [] })
    const zero = modules.replace('"TDX_01"', '"TDX_00"')
    const platformOnly = lacksAt(zero, sixteen(4), 4, sixteen(4, 1, 0))
    expect([platformOnly.status, platformOnly.lacks.map(({ component }) => component)]).toEqual([
      'NoMatchingLevel',
      ['TDX component 2'],
    ])
  })

  it('is told by the day of the TCB info where that lists no level', () => {
    expect(lacksAt(tcbInfo([]), sixteen(4), 4, sixteen(4, 1, 2))).toEqual({
      status: 'NoMatchingLevel',
      wantedDate: new Date('2026-11-01T00:00:00Z'),
      tcbEvaluationDataNumber: 19,
      advisoryIds: [],
      lacks: [],
    })
  })

  it('below every level has no date, and is not a match', () => {
    const found = lacksAt(text, sixteen(1), 1, sixteen(1, 1, 1))
    expect(found.status).toBe('NoMatchingLevel')
    expect(found).not.toHaveProperty('tcbDate')
    expect(found.lacks).toHaveLength(16 + 14 + 1)
  })

  it('is told by nothing that is not a TCB info', () => {
    expect(() => lacksAt('{"tcbInfo":{},"signature":""}', sixteen(4), 4, sixteen(4))).toThrow(ParseError)
  })
})
