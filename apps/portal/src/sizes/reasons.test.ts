import { describe, expect, it } from 'vitest'
import { judgeSizes } from './reasons.ts'
import type { Size, Usage } from './size.ts'

const size = (name: string, region: string, more: Partial<Size> = {}): Size => ({
  name,
  region,
  family: 'f',
  zones: ['1'],
  vCPUs: 4,
  memoryGiB: 16,
  tempGiB: 0,
  dataDisks: 4,
  tee: 'SNP',
  offered: true,
  ...more,
})
const usage = (value: string, currentValue: number, limit: number): Usage => ({
  name: { value, localizedValue: value },
  currentValue,
  limit,
})
const wanted = { region: 'here', encryption: 'DiskWithVMGuestState' }

describe('what stands in the way of a size', () => {
  it('is nothing where it can be had, and such sizes come first', () => {
    const all = [size('b', 'here', { tee: undefined }), size('a', 'here', { vCPUs: 8 })]
    const judged = judgeSizes(all, [usage('f', 0, 100), usage('cores', 0, 100)], wanted)
    expect(judged.map((each) => [each.size.name, each.reasons.length])).toEqual([
      ['a', 0],
      ['b', 1],
    ])
  })

  it('names every region that has it', () => {
    const all = [size('a', 'here', { offered: false }), size('a', 'there'), size('a', 'nowhere', { offered: false })]
    expect(judgeSizes(all, [], wanted)[0]?.reasons).toEqual([
      { kind: 'region', text: 'here does not offer it. It is in there.' },
    ])
  })

  it('counts cores of the family and of the region, and says what to ask for', () => {
    const [judged] = judgeSizes([size('a', 'here')], [usage('F', 97, 100), usage('cores', 96, 100)], wanted)
    expect(judged?.reasons).toEqual([
      { kind: 'quota', text: 'Quota: 97 of 100 cores are used (F); it needs 4.', ask: { quota: 'F', limit: 101 } },
    ])
  })

  it('knows what silicon and zone a choice needs', () => {
    const reasons = judgeSizes([size('a', 'here')], [], { region: 'here', zone: '3', encryption: 'NonPersistedTPM' })
    expect(reasons[0]?.reasons.map(({ kind }) => kind)).toEqual(['zone', 'encryption'])
  })
})
