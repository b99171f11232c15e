import { utf8 } from '@strongroom/evidence'
import { describe, expect, it } from 'vitest'
import { inspect } from './inspect.ts'

describe('inspected files', () => {
  it('have what the verdict does not depend on named, as the command line does', async () => {
    const report = new Uint8Array(1184)
    report.set([2], 0)
    report.set([1], 0x34)
    const given = {
      name: 'a.json',
      bytes: utf8(JSON.stringify({ report: Buffer.from(report).toString('base64'), gpu: [1] })),
    }
    const { unused } = await inspect([given], { at: new Date('2026-01-01') })
    expect(unused).toEqual(['a.json gpu: a list of 1 values'])
  })
})
