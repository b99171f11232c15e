import type { ImageRecord, Tee } from '@strongroom/contract'
import type { Problem } from '../../../../arm/fields.ts'
import { isOffered, type Size } from '../../size/sizes.ts'

/** Series that convert into each other, by technology; with or without a temporary disk. */
const convertible: Record<Tee, readonly string[]> = {
  SNP: ['DCasv5', 'DCadsv5', 'ECasv5', 'ECadsv5'],
  TDX: ['DCesv5', 'DCedsv5', 'ECesv5', 'ECedsv5'],
}

/** The oldest kernel that runs under both technologies: Ubuntu's for Azure, and upstream's, where TDX guests arrived in 6.2. */
const leastKernel = { ubuntu: '6.2.0-1011-azure', other: '6.2' } as const

const target = 'properties.hardwareProfile.vmSize'

/** Whether the sizes allow converting a VM from one to the other, on other silicon. */
export const isConversion = (from: Size, to: Size): boolean =>
  from.tee !== undefined && to.tee !== undefined && from.tee !== to.tee

const convertibleWith = (size: Size): readonly string[] => (size.tee === undefined ? [] : convertible[size.tee])

export const convertsInto = (from: Size, to: Size): boolean =>
  isConversion(from, to) &&
  convertibleWith(from).includes(from.series) &&
  convertibleWith(to).includes(to.series) &&
  from.tempGiB > 0 === to.tempGiB > 0

/**
 * Everything that prevents converting a VM between AMD SEV-SNP and Intel TDX (S19), at once.
 * @param o.image the image in the VM's record; undefined if this installation no longer has it
 */
export function conversionProblems(o: {
  from: Size
  to: Size
  location: string
  image: ImageRecord | undefined
}): Problem[] {
  return [...sizeProblems(o), ...imageProblems(o)]
}

function sizeProblems(o: { from: Size; to: Size; location: string }): Problem[] {
  const { from, to } = o
  const unable = `Unable to resize the VM from '${from.name}' (${from.tee}) to '${to.name}' (${to.tee})`
  const problems: Problem[] = []
  const refuse = (why: string, expected: string, remedy: string, found = to.name): void =>
    void problems.push({
      code: 'OperationNotAllowed',
      status: 409,
      message: `${unable}: ${why}`,
      target,
      expected,
      found,
      remedy,
      rule: 'S19',
    })
  const own = convertibleWith(from)
  const other = convertibleWith(to)
  if (!own.includes(from.series))
    refuse(
      `VMs of the ${from.series} series cannot be converted.`,
      `a VM of the series ${own.join(', ')}`,
      'Create a new virtual machine of that size.',
      from.series,
    )
  if (!other.includes(to.series))
    refuse(
      `only ${other.join(', ')} can be the target.`,
      `a size of the series ${other.join(', ')}`,
      'Use a size of one of these series.',
      to.series,
    )
  if (from.tempGiB > 0 !== to.tempGiB > 0)
    refuse(
      'changing from resource disk to non-resource disk VM size and vice-versa is not allowed.',
      from.tempGiB > 0 ? 'a size with a temporary disk' : 'a size without a temporary disk',
      'Use a size with the same kind of disks.',
    )
  if (!isOffered(from, o.location))
    refuse(
      `the region '${o.location}' does not offer both series.`,
      'a region that offers both',
      'Create a new virtual machine in another region.',
      o.location,
    )
  return problems
}

/** What the signed kernel image reports about itself (`.osrel`, `.uname`), not what its name promises. */
function imageProblems(o: { to: Size; image: ImageRecord | undefined }): Problem[] {
  const { image, to } = o
  const refuse = (why: string, expected: string, found: string, remedy: string): Problem[] => [
    {
      code: 'OperationNotAllowed',
      status: 409,
      message: `Unable to convert the VM to '${to.name}' (${to.tee}): ${why}`,
      target: 'properties.storageProfile.imageReference',
      expected,
      found,
      remedy,
      rule: 'S19',
    },
  ]
  if (image === undefined)
    return refuse(
      'the image it was created from no longer exists, and its boot cannot be predicted without it.',
      'the image of the VM',
      'none',
      'Register the image again: strongroom image list shows the existing ones.',
    )
  const { id, versionId, kernel } = image.os
  const anew = 'Create a new virtual machine from an image for both technologies.'
  if (id === 'windows')
    return refuse(
      'Windows converts only when it is fully updated, which cannot be verified here.',
      'a guest whose image metadata shows its updates',
      `windows ${versionId}`,
      anew,
    )
  if (id === 'ubuntu' && (versionId !== '22.04' || !image.qualifies.confidential))
    return refuse(
      'Ubuntu converts only from the confidential image of 22.04 LTS.',
      'Ubuntu 22.04 LTS, confidential',
      `Ubuntu ${versionId}`,
      anew,
    )
  const least = id === 'ubuntu' ? leastKernel.ubuntu : leastKernel.other
  const flavoured = id !== 'ubuntu' || /-azure(-fde)?$/.test(kernel)
  if (flavoured && compareVersions(kernel, least) >= 0) return []
  return refuse(
    `its kernel is older than the oldest that runs under both technologies${flavoured ? '' : ', or is not Azure’s'}.`,
    `${least} or later`,
    kernel === '' ? 'an image that does not declare its kernel' : kernel,
    anew,
  )
}

/** Compares the numbers of two kernel releases in order; anything else ends the comparison. */
export function compareVersions(left: string, right: string): number {
  const numbers = (text: string): number[] => (/^\d+(?:[.-]\d+)*/.exec(text)?.[0] ?? '').split(/[.-]/).map(Number)
  const [a, b] = [numbers(left), numbers(right)]
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return Math.sign(difference)
  }
  return 0
}
