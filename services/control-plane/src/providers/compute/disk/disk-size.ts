import type { Fields } from '../../../arm/fields.ts'

/** Azure's largest managed disk, in GiB. */
const largestDisk = 32_767

/** A disk's size in GiB; an invalid one is a problem in Azure's words. @param most lower for OS disks */
export function readDiskSize(fields: Fields, most: number = largestDisk): number | undefined {
  const value = fields.raw('diskSizeGB')
  const size = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value
  if (typeof size !== 'number' || (Number.isInteger(size) && size >= 1 && size <= most))
    return fields.integer('diskSizeGB', 1, most)
  fields.invalid(
    fields.at('diskSizeGB'),
    `The value '${size}' of parameter 'diskSizeGB' is out of range. The value must be a whole number of GiB ` +
      `between '1' and '${most}', inclusive.`,
    { expected: `1 to ${most}`, found: String(size), remedy: 'Use a size within the range.' },
  )
  return undefined
}
