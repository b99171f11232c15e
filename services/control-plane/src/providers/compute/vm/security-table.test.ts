import { describe, expect, it } from 'vitest'
import { securityTypes } from '@strongroom/contract'
import { referenceImage } from '../../../testing/fake-wire.ts'
import { findRegion, regions } from '../../../arm/regions.ts'
import { answerOf, type Combination } from './security-table.ts'
import { allSizes, findSize, isOffered } from '../size/sizes.ts'

const encryptions: Combination['encryption'][] = [
  undefined,
  'VMGuestStateOnly',
  'DiskWithVMGuestState',
  'NonPersistedTPM',
]
const flags = [undefined, false, true]
const images = [
  { confidential: true, diskEncryption: true, reasons: [] },
  { confidential: true, diskEncryption: false, reasons: ['Its root is encrypted already.'] },
  { confidential: false, diskEncryption: false, reasons: ['It has no EFI system partition.'] },
].map((qualifies) => ({ ...referenceImage, qualifies }))
/** One size of each series, and one that does not exist. */
const sizes = [...new Map(allSizes().map((size) => [size.series, size.name])).values(), 'Standard_DC3as_v5']

/** The whole space, one combination at a time. */
function* space(): Generator<Combination> {
  for (const securityType of [undefined, ...securityTypes])
    for (const encryption of encryptions)
      for (const secureBoot of flags)
        for (const vTpm of flags)
          for (const diskEncryptionSet of [undefined, '/subscriptions/s/set'])
            for (const sizeName of sizes)
              for (const { name: location } of regions)
                for (const image of images)
                  yield {
                    securityType,
                    encryption,
                    diskProfile: encryption !== undefined || diskEncryptionSet !== undefined,
                    secureBoot,
                    vTpm,
                    diskEncryptionSet,
                    sizeName,
                    size: findSize(sizeName),
                    location,
                    region: findRegion(location),
                    image,
                  }
}

/** Which combinations are valid, stated independently of the table. */
function canBeHad(c: Combination): boolean {
  const { size, encryption, image } = c
  if (size === undefined || image === undefined || !isOffered(size, c.location)) return false
  if (c.securityType !== 'ConfidentialVM') {
    const firmware = c.secureBoot === true || c.vTpm === true
    return size.tee === undefined && !c.diskProfile && (c.securityType === 'TrustedLaunch' || !firmware)
  }
  if (size.tee === undefined || c.vTpm !== true || !image.qualifies.confidential) return false
  if (c.diskEncryptionSet !== undefined && encryption !== 'DiskWithVMGuestState') return false
  if (encryption === 'DiskWithVMGuestState') return c.secureBoot === true && image.qualifies.diskEncryption
  return encryption === 'VMGuestStateOnly' || (encryption === 'NonPersistedTPM' && size.tee === 'TDX')
}

describe('the table of security profiles', () => {
  it('makes what can be had and refuses all else, over every combination', () => {
    let [made, refused] = [0, 0]
    const wrong: unknown[] = []
    for (const combination of space()) {
      const problems = answerOf(combination)
      if (canBeHad(combination) !== (problems.length === 0)) wrong.push({ combination, problems })
      if (problems.length === 0) made += 1
      else refused += 1
    }
    expect(wrong.slice(0, 1)).toEqual([])
    expect(made).toBeGreaterThan(100)
    expect(made + refused).toBe(4 * 4 * 9 * 2 * sizes.length * regions.length * images.length)
  })

  it('says in every refusal which property it is, what was expected, what was found, and what to do', () => {
    const silent = new Set<string>()
    for (const combination of space())
      for (const problem of answerOf(combination))
        for (const member of ['target', 'expected', 'found', 'remedy'] as const)
          if ((problem[member] ?? '') === '') silent.add(`${member} of ${problem.message.slice(0, 60)}`)
    expect([...silent]).toEqual([])
  })
})
