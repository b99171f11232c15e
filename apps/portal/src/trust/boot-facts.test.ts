import type { BootEvidence } from '@strongroom/contract'
import { describe, expect, it } from 'vitest'
import { differences, factsOf } from './boot-facts.ts'

const evidence = (o: object): BootEvidence =>
  ({
    bootId: 'b1',
    startedAt: '2026-01-01T00:00:00Z',
    tee: 'SNP',
    simulated: true,
    expected: { firmwareSha256: 'aa', vCPUs: 2, vcpuType: 'EPYC-Milan', launchMeasurement: 'bb', pcrs: {} },
    vtpm: { akPublic: 'ak' },
    osDisk: { encryption: 'LUKS2' },
    measuredBoot: { pcrs: { 4: '00' } },
    ...o,
  }) as unknown as BootEvidence

describe('what differs between two boots', () => {
  it('is named with both values, and nothing is where they are alike', () => {
    const first = factsOf(evidence({}))
    expect(differences(first, factsOf(evidence({ bootId: 'b2' })))).toEqual([])
    const second = factsOf(evidence({ measuredBoot: { pcrs: { 4: '11', 9: '22' } }, vtpm: { akPublic: 'other' } }))
    expect(differences(first, second)).toEqual([
      { name: 'attestation key', before: 'ak', after: 'other' },
      { name: 'PCR 4', before: '00', after: '11' },
      { name: 'PCR 9', before: 'nothing', after: '22' },
    ])
  })

  it('is told of evidence that lacks its parts, or has others in their place', () => {
    const bare = factsOf({ bootId: 1, measuredBoot: { pcrs: { 0: ['x'] } } } as unknown as BootEvidence)
    expect(bare).toMatchObject({ bootId: '1', facts: { 'launch measurement': 'nothing', 'PCR 0': '["x"]' } })
  })
})
