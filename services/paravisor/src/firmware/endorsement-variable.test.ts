import { toHex } from '@strongroom/evidence'
import { parseVariableStore, type EfiVariable } from '@strongroom/evidence/expected'
import { describe, expect, it } from 'vitest'
import { withEndorsementKey } from './endorsement-variable.ts'
import { flashOf } from './uefi-variables.ts'

const vendor = '5a1e0000-0000-4000-8000-0000000000ec'
const variable = (name: string, data: number[], of = vendor): EfiVariable => ({
  name,
  vendor: of,
  attributes: 7,
  timestamp: new Uint8Array(16),
  data: Uint8Array.from(data),
})
const own = variable('Own', [9], '11111111-2222-4333-8444-555555555555')
const certificate = Uint8Array.of(0x30, 1, 2)
const wanted = variable('StrongroomEndorsementKey', [0x30, 1, 2])

const inHex = (variables: readonly EfiVariable[]): unknown[] =>
  variables.map((each) => ({ ...each, data: toHex(each.data), timestamp: toHex(each.timestamp) }))

describe('the endorsement key among the UEFI variables', () => {
  it.each<[string, EfiVariable[]]>([
    ['there was none', []],
    ['there was an earlier one', [variable('StrongroomEndorsementKey', [0x30, 7])]],
    ['the guest or the host added another of its vendor', [wanted, variable('StrongroomEndorsementKey2', [1])]],
  ])('is the vTPM’s alone, where %s (attack H43)', async (_what, found) => {
    const flash = await withEndorsementKey(await flashOf([own, ...found]), certificate)
    expect(inHex(parseVariableStore(flash))).toEqual(inHex([own, wanted]))
  })

  it('leaves a flash that has it as it is', async () => {
    const flash = await flashOf([own, wanted])
    expect(await withEndorsementKey(flash, certificate)).toBe(flash)
  })
})
