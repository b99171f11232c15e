import { tdAttributes } from '@strongroom/evidence'
import type { TdxShortfall } from '@strongroom/evidence/advisories'
import { describe, expect, it } from 'vitest'
import { tdBody, verifiedSnp, verifiedTdx } from '../testing/verified-evidence.ts'
import { runtimeShortcomings, snpShortcomings, tdxShortcomings, type ComplianceBaseline } from './compliance.ts'
import type { BoundData } from '../core/request.ts'

const none: ComplianceBaseline = { launchMeasurements: [], idKeyDigests: [] }
const vmUniqueId = 'aaaaaaaa-BBBB-4ccc-8ddd-eeeeeeeeeeee'
const runtimeOf = (json: unknown): BoundData => ({ bytes: new Uint8Array(), dataType: 'JSON', json })
const runtime = runtimeOf({ keys: [{}], 'vm-configuration': { vmUniqueId } })
const pathsOf = (found: { path: string }[]): string[] => found.map(({ path }) => path)

describe('an SNP VM', () => {
  const shortcomings = (o: Partial<Parameters<typeof snpShortcomings>[0]> = {}): string[] =>
    pathsOf(snpShortcomings({ verified: verifiedSnp(), runtime, simulated: true, baseline: none, ...o }))

  it('of the installation’s own silicon is compliant whatever was launched on it', () => {
    expect(shortcomings()).toEqual([])
  })

  it('of genuine silicon is compliant under a measurement or a key of the baseline alone', () => {
    expect(shortcomings({ simulated: false })).toEqual(['x-ms-sevsnpvm-launchmeasurement'])
    const [measurement, key] = ['90'.repeat(48), 'e0'.repeat(48)]
    const under = (launchMeasurements: string[], idKeyDigests: string[]): string[] =>
      shortcomings({ simulated: false, baseline: { launchMeasurements, idKeyDigests } })
    expect([under([measurement], []), under([], [key]), under(['00', measurement], ['00'])]).toEqual([[], [], []])
    // A key is not a measurement, and vice versa.
    for (const [measurements, keys] of [
      [[key], [measurement]],
      [[measurement.slice(2)], [key.toUpperCase()]],
    ] as const)
      expect(under([...measurements], [...keys])).toEqual(['x-ms-sevsnpvm-launchmeasurement'])
  })

  it.each<[string, (bytes: Uint8Array) => void, string]>([
    ['debugging', (bytes) => void (bytes[10] = 0x0b), 'policy.debugAllowed'],
    ['a migration agent', (bytes) => void (bytes[10] = 0x07), 'policy.migrationAgentAllowed'],
    ['a privilege level above the lowest', (bytes) => void (bytes[0x30] = 1), 'vmpl'],
  ])('is not compliant with %s', (_name, edit, path) => {
    expect(shortcomings({ verified: verifiedSnp({ edit }) })).toEqual([path])
  })

  it('is compliant where its host runs newer microcode than it has committed', () => {
    const edit = (bytes: Uint8Array): void => bytes.set([4, 0, 0, 0, 0, 0, 0x1e, 0xdc], 0x38)
    expect(shortcomings({ verified: verifiedSnp({ edit }) })).toEqual([])
  })

  it('says what was expected and found', () => {
    const edit = (bytes: Uint8Array): void => void (bytes[10] = 0x0b)
    const verified = verifiedSnp({ edit })
    expect(snpShortcomings({ verified, runtime, simulated: true, baseline: none })[0]?.message).toBe(
      'policy.debugAllowed: expected false, found true.',
    )
  })
})

describe('a TDX VM', () => {
  const shortcomings = (o: Partial<Parameters<typeof tdxShortcomings>[0]> = {}): string[] =>
    pathsOf(
      tdxShortcomings({
        verified: verifiedTdx(),
        shortfall: undefined,
        runtime,
        simulated: true,
        baseline: none,
        ...o,
      }),
    )

  it('is compliant on the installation’s own silicon, and under a measurement of the baseline', () => {
    expect(shortcomings()).toEqual([])
    const mrTd = '22'.repeat(48)
    expect(shortcomings({ simulated: false })).toEqual(['tdx_mrtd'])
    expect(shortcomings({ simulated: false, baseline: { launchMeasurements: [mrTd], idKeyDigests: [] } })).toEqual([])
    // It has no identity key: a list of keys admits nobody.
    expect(shortcomings({ simulated: false, baseline: { launchMeasurements: [], idKeyDigests: [mrTd] } })).toEqual([
      'tdx_mrtd',
    ])
  })

  it.each([
    ['debugging', tdAttributes.debug | tdAttributes.septVeDisable, 'attributes.debug'],
    ['pages that its host may make fault', 0n, 'attributes.septVeDisable'],
  ])('is not compliant with %s', (_name, attributes, path) => {
    expect(shortcomings({ verified: verifiedTdx({ body: tdBody({ attributes }) }) })).toEqual([path])
  })

  it('is not compliant on a platform that is out of date', () => {
    expect(shortcomings({ verified: verifiedTdx({ tcbStatus: 'OutOfDate' }) })).toHaveLength(1)
  })

  it('names each part that is behind, and what brings it up to date', () => {
    const lacks = [
      { component: 'SGX component 2 (Late Microcode Update)', found: 7, wanted: 8, update: 'Install newer microcode.' },
      { component: 'TDX module TDX_01', found: 4, wanted: 5, update: 'Load the newer module.' },
    ]
    const shortfall = { lacks } as TdxShortfall
    const verified = verifiedTdx({ tcbStatus: 'OutOfDate' })
    const found = tdxShortcomings({ verified, shortfall, runtime, simulated: true, baseline: none })
    expect(found.slice(1)).toEqual([
      {
        path: 'attester_tcb_status',
        message: 'SGX component 2 (Late Microcode Update): 7 found, 8 wanted. Install newer microcode.',
      },
      { path: 'attester_tcb_status', message: 'TDX module TDX_01: 4 found, 5 wanted. Load the newer module.' },
    ])
  })
})

describe('runtime data', () => {
  const paths = (data: BoundData | undefined): string[] => pathsOf(runtimeShortcomings(data))
  const [whole, keys, id] = ['x-ms-runtime', 'x-ms-runtime.keys', 'x-ms-runtime.vm-configuration.vmUniqueId']
  const configuration = { vmUniqueId }

  it.each<[string, BoundData | undefined]>([
    ['nothing', undefined],
    ['bytes', { bytes: new Uint8Array(), dataType: 'Binary' }],
    ['null', runtimeOf(null)],
    ['text', runtimeOf('a')],
  ])('that is not an object names no VM: %s', (_name, data) => {
    expect(paths(data)).toEqual([whole])
  })

  it.each<[string, unknown, string[]]>([
    ['all of it', { keys: [{}], 'vm-configuration': configuration }, []],
    ['an empty object', {}, [keys, id]],
    ['no keys', { 'vm-configuration': configuration }, [keys]],
    ['an empty list of keys', { keys: [], 'vm-configuration': configuration }, [keys]],
    ['keys that are not a list', { keys: { 0: {}, length: 1 }, 'vm-configuration': configuration }, [keys]],
    ['no configuration', { keys: [{}] }, [id]],
    ['an id in a list', { keys: [{}], 'vm-configuration': { vmUniqueId: [configuration.vmUniqueId] } }, [id]],
    ['no configuration but null', { keys: [{}], 'vm-configuration': null }, [id]],
  ])('has keys and says which VM it is of: %s', (_name, json, expected) => {
    expect(paths(runtimeOf(json))).toEqual(expected)
  })

  it.each([
    '00000000-0000-0000-0000-000000000000',
    'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeeef',
    'aaaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee',
    'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeee',
    'aaaaaaaa-bbbb-4ccc-eeeeeeeeeeee',
    'gaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee',
    ' aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee',
    'aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee\n',
    '',
    7,
    null,
  ])('names no VM by %j', (given) => {
    expect(paths(runtimeOf({ keys: [{}], 'vm-configuration': { vmUniqueId: given } }))).toEqual([id])
  })

  it.each(['00000000-0000-0000-0000-000000000001', '10000000-0000-0000-0000-000000000000'])(
    'names a VM by an id that is not all zeros: %s',
    (given) => {
      expect(paths(runtimeOf({ keys: [{}], 'vm-configuration': { vmUniqueId: given } }))).toEqual([])
    },
  )
})
