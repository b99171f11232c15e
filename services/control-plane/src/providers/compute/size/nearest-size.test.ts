import { describe, expect, it } from 'vitest'
import { nearestSize } from './nearest-size.ts'
import { allSizes } from './sizes.ts'

describe('a mistyped size', () => {
  it.each([
    ['Standard_DC2asv5', 'Standard_DC2as_v5'],
    ['dc2as_v5', 'Standard_DC2as_v5'],
    ['Standard-DC2as-v5', 'Standard_DC2as_v5'],
    ['Standard_DC2aas_v5', 'Standard_DC2as_v5'],
    ['Standard_DCC2es_v5', 'Standard_DC2es_v5'],
  ])('%s means %s', (typed, meant) => expect(nearestSize(typed)).toBe(meant))

  it.each(['', '_', 'Standard_DC3as_v5', 'Standard_DC2as_v9', 'Standard_M416ms_v2', 'x'.repeat(10_000)])(
    '%s means none: another number is another size',
    (typed) => expect(nearestSize(typed)).toBeUndefined(),
  )

  it('means every size that it names', () => {
    for (const { name } of allSizes()) expect(nearestSize(name)).toBe(name)
  })
})
