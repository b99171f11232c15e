import type { ImageRecord } from '@strongroom/contract'
import { describe, expect, it } from 'vitest'
import { referenceImage } from '../../../../testing/fake-wire.ts'
import { compareVersions, conversionProblems, convertsInto } from './conversion-rules.ts'
import { allSizes, findSize, type Size } from '../../size/sizes.ts'

const size = (name: string): Size => findSize(name)!
const image = (os: Partial<ImageRecord['os']>, qualifies = true): ImageRecord => ({
  ...referenceImage,
  os: { ...referenceImage.os, ...os },
  qualifies: { ...referenceImage.qualifies, confidential: qualifies },
})
const messages = (
  from: string,
  to: string,
  os: Partial<ImageRecord['os']> = { kernel: '6.12.1-cloud-amd64' },
): string =>
  conversionProblems({ from: size(from), to: size(to), location: 'westeurope', image: image(os) })
    .map(({ message, expected, found }) => `${message} | ${expected} | ${found}`)
    .join('\n')

describe('conversion between technologies', () => {
  it('leads from DCasv5 and ECasv5 to DCesv5 and ECesv5 and back, and nowhere else', () => {
    const series = new Set<string>()
    for (const from of allSizes())
      for (const to of allSizes()) if (convertsInto(from, to)) series.add(`${from.series}>${to.series}`)
    const plain = ['DCasv5', 'ECasv5'].flatMap((a) => ['DCesv5', 'ECesv5'].flatMap((b) => [`${a}>${b}`, `${b}>${a}`]))
    const withDisk = ['DCadsv5', 'ECadsv5'].flatMap((a) =>
      ['DCedsv5', 'ECedsv5'].flatMap((b) => [`${a}>${b}`, `${b}>${a}`]),
    )
    expect([...series].toSorted()).toEqual([...plain, ...withDisk].toSorted())
  })

  it.each([
    ['Standard_DC2as_v5', 'Standard_DC2es_v5'],
    ['Standard_EC4as_v5', 'Standard_DC4es_v5'],
    ['Standard_DC2eds_v5', 'Standard_EC2ads_v5'],
  ])('has nothing against %s to %s with the reference image', (from, to) => {
    expect(messages(from, to)).toBe('')
  })

  it('is refused where a temporary disk would come or go', () => {
    expect(messages('Standard_DC2ads_v5', 'Standard_DC2es_v5')).toMatch(/resource disk.*a size with a temporary disk/)
  })

  it('is refused from and to series that do not convert, by their names', () => {
    expect(messages('Standard_EC96ias_v5', 'Standard_DC2es_v5')).toMatch(/ECiasv5 series cannot be converted/)
  })

  it.each([
    [{ id: 'ubuntu', versionId: '22.04', kernel: '6.2.0-1011-azure' }, ''],
    [{ id: 'ubuntu', versionId: '22.04', kernel: '6.5.0-1001-azure-fde' }, ''],
    [{ id: 'ubuntu', versionId: '22.04', kernel: '6.2.0-1010-azure' }, '6.2.0-1011-azure or later | 6.2.0-1010-azure'],
    [{ id: 'ubuntu', versionId: '22.04', kernel: '6.8.0-50-generic' }, 'or is not Azure’s'],
    [{ id: 'ubuntu', versionId: '24.04', kernel: '6.8.0-1011-azure' }, 'Ubuntu 22.04 LTS, confidential | Ubuntu 24.04'],
    [{ id: 'ubuntu', versionId: '20.04', kernel: '6.2.0-1011-azure' }, 'Ubuntu 22.04 LTS, confidential | Ubuntu 20.04'],
    [{ id: 'windows', versionId: '2022', kernel: '' }, 'fully updated'],
    [{ id: 'debian', versionId: '12', kernel: '6.1.0-32-cloud-amd64' }, '6.2 or later | 6.1.0-32-cloud-amd64'],
    [{ id: 'debian', versionId: '13', kernel: '' }, 'does not declare its kernel'],
  ])('goes by what the signed image says: %j → %s', (os, why) => {
    const said = messages('Standard_DC2as_v5', 'Standard_DC2es_v5', os)
    if (why === '') expect(said).toBe('')
    else expect(said).toContain(why)
  })

  it('is refused where the image is gone, or an Ubuntu is not confidential', () => {
    const sizes = { from: size('Standard_DC2as_v5'), to: size('Standard_DC2es_v5'), location: 'westeurope' }
    expect(conversionProblems({ ...sizes, image: undefined })[0]?.message).toContain('no longer exists')
    const plain = image({ id: 'ubuntu', versionId: '22.04', kernel: '6.2.0-1011-azure' }, false)
    expect(conversionProblems({ ...sizes, image: plain })[0]?.message).toContain('confidential image')
  })

  it('compares kernels by their numbers', () => {
    expect(compareVersions('6.10.1', '6.2.0')).toBe(1)
    expect(compareVersions('6.2.0-1011-azure', '6.2.0-1011-azure')).toBe(0)
    expect(compareVersions('5.15.0-1037-azure', '6.2.0-1011-azure')).toBe(-1)
    expect(compareVersions('', '6.2')).toBe(-1)
  })
})
