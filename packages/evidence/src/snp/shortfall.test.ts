import { describe, expect, it } from 'vitest'
import type { TcbVersion } from './products.ts'
import type { SnpReport } from './report.ts'
import { describeLack, snpShortfall } from './shortfall.ts'
import { encodeTcb } from './tcb.ts'

const version = (changes: Partial<TcbVersion>): TcbVersion => ({
  fmc: 0,
  bootLoader: 4,
  tee: 0,
  snp: 22,
  microcode: 213,
  ...changes,
})

const lacks = (o: { current?: object; reported?: object; launch?: object }): ReturnType<typeof snpShortfall> => {
  const tcb = (changes: object = {}): bigint => encodeTcb(version(changes), 'Milan')
  const report = { currentTcb: tcb(o.current), reportedTcb: tcb(o.reported), launchTcb: tcb(o.launch) }
  return snpShortfall(report as SnpReport, 'Milan', version({}))
}

describe('what an SNP platform lacks', () => {
  it('is nothing where each part is as wanted or newer', () => {
    expect(lacks({})).toEqual([])
    expect(lacks({ current: { snp: 30 }, reported: { snp: 30 }, launch: { snp: 23 } })).toEqual([])
  })

  it('is told part by part: how far behind, and what to install', () => {
    const old = { microcode: 210, snp: 20 }
    expect(lacks({ current: old, reported: old, launch: old })).toEqual([
      { component: 'SNP firmware', found: 20, wanted: 22, update: expect.stringContaining('newer SEV firmware') },
      { component: 'microcode', found: 210, wanted: 213, update: expect.stringContaining('newer AMD microcode') },
    ])
  })

  it('is to be committed where it is installed, and takes a restart where the guest is older than its host', () => {
    expect(lacks({ reported: { snp: 20 }, launch: { snp: 20 } })[0]).toMatchObject({
      found: 20,
      update: expect.stringContaining('SNP_COMMIT'),
    })
    expect(lacks({ launch: { snp: 21 } })[0]).toMatchObject({
      found: 21,
      update: expect.stringContaining('restart the VM'),
    })
  })

  it('is shown with both versions and the way there', () => {
    const lack = { component: 'microcode', found: 210, wanted: 213, update: 'Install it.' }
    for (const part of Object.values(lack)) expect(describeLack(lack)).toContain(`${part}`)
  })
})
