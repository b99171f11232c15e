import { describe, expect, it } from 'vitest'
import { violations, type DiskHistory, type History, type VaultEvent } from './history.ts'

const disk: DiskHistory = {
  vmId: 'VM',
  boots: [
    { epoch: 1, seen: {} },
    { epoch: 1, seen: {} },
    { epoch: 3, seen: { 1: 5, 2: 0 } },
    { epoch: 4, seen: { 3: 2 } },
  ],
  records: { 1: 5, 3: 2, 4: 9 },
  confirmed: { 1: 5, 3: 1, 4: 9 },
}
const event = (operation: VaultEvent['operation'], epoch: number, o: Partial<VaultEvent> = {}): VaultEvent => ({
  key: 'k',
  operation,
  epoch,
  verdict: 'allowed',
  ...o,
})
const vault = [
  event('placeKey', 1),
  event('release', 1),
  event('placeKey', 2),
  event('placeKey', 2),
  event('release', 1, { verdict: 'refused' }),
  event('release', 2),
  event('placeKey', 1, { key: 'another' }),
  event('release', 1, { key: 'another' }),
]
const history: History = { disks: [disk], vault }
const withDisk = (o: Partial<DiskHistory>): History => ({ ...history, disks: [{ ...disk, ...o }] })

describe('the history of a fleet', () => {
  it('has nothing wrong where each epoch ended before the next began', () => {
    expect(violations(history)).toEqual([])
  })

  it.each([
    [
      'an older epoch writes after a newer one',
      { records: { ...disk.records, 1: 6 } },
      'VM: 1 writes of epoch 1 after epoch 3 had begun',
    ],
    [
      'one writes that had not before',
      { records: { ...disk.records, 2: 1 }, boots: [...disk.boots, { epoch: 2, seen: { 1: 5 } }] },
      'VM: 1 writes of epoch 2 after epoch 3 had begun',
    ],
    [
      'an older one begins after a newer one',
      { boots: [...disk.boots, { epoch: 3, seen: { 1: 5, 4: 3 } }] },
      'VM: epoch 3 began to write after epoch 4 had',
    ],
    ['a confirmed write is gone', { records: { ...disk.records, 4: 8 } }, 'VM: 1 confirmed writes of epoch 4 are lost'],
    [
      'an epoch was not looked at',
      { boots: disk.boots.map((boot) => ({ ...boot, seen: {} })) },
      'VM: epoch 3 did not say what it found of epoch 1',
    ],
    ['a boot is missing', { boots: disk.boots.slice(0, 3) }, 'VM: epoch 4 did not say what it found'],
  ] as [string, Partial<DiskHistory>, string][])('is refused where %s', (_what, change, sentence) => {
    expect(violations(withDisk(change))).toContain(sentence)
  })

  it.each([
    ['a release to an older epoch', event('release', 1), 'k: release of epoch 1 after epoch 2 was placed'],
    ['a placement that goes back', event('placeKey', 1), 'k: placeKey of epoch 1 after epoch 2 was placed'],
    ['a release to an epoch that nobody placed', event('release', 9), 'k: release to epoch 9, which was never placed'],
  ])('is refused where the vault has logged %s', (_what, planted, sentence) => {
    expect(violations({ ...history, vault: [...vault, planted] })).toEqual([sentence])
  })

  it('takes a release that was logged before the next placement as right', () => {
    expect(
      violations({ ...history, vault: [event('placeKey', 1), event('release', 1), event('placeKey', 2)] }),
    ).toEqual([])
  })
})
