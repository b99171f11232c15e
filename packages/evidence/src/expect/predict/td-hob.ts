import { ByteWriter } from '../../core/bytes/byte-writer.ts'
import { parseTdvfSections, type TdvfSection, tdvfSectionTypes } from '../measure/tdvf.ts'
import { ParseError } from '../../core/errors.ts'

interface Range {
  start: bigint
  end: bigint
  accepted: boolean
}

const gib = 1n << 30n
/** From this size on, QEMU's q35 places everything above 2 GiB after the first 4 GiB. */
const splitFrom = 0xb0000000n
const memory = { accepted: 0, unaccepted: 7 } as const

/**
 * The hand-off block that QEMU writes for a TD, and that OVMF measures first (Intel TDVF design guide, section 4.2; PI
 * 1.7 volume 3, HOB types 1 and 3): which memory is accepted when the firmware starts.
 * @param o.memorySize the TD's memory, in bytes, whole mebibytes
 * @throws ParseError Missing for firmware without a TDVF descriptor
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { tdHob } from '@strongroom/evidence/expected'
 *
 * const hob = tdHob({ firmware: await readFile('tdvf.fd'), memorySize: 1n << 30n })
 * hob.length > 0 // => true
 */
export function tdHob(o: { firmware: Uint8Array; memorySize: bigint }): Uint8Array {
  const sections = parseTdvfSections(o.firmware)
  const own = sections?.find(({ type }) => type === tdvfSectionTypes.tdHob)
  if (sections === undefined || own === undefined) {
    throw new ParseError({ code: 'Missing', message: 'Firmware image has no place for a hand-off block' })
  }
  if (o.memorySize <= 16n << 20n || o.memorySize % (1n << 20n) !== 0n || o.memorySize > 1n << 46n) {
    throw new ParseError({ code: 'InvalidValue', message: 'Memory size is out of range', found: `${o.memorySize}` })
  }
  const resources = new ByteWriter()
  let count = 0
  const resource = (type: number, start: bigint, end: bigint): void => {
    resources
      .u16le(3)
      .u16le(48)
      .zero(4)
      .zero(16)
      .u32le(type)
      .u32le(7)
      .u64le(start)
      .u64le(end - start)
    count++
  }
  const ranges = rangesOf(sections, o.memorySize)
  const last = ranges.at(-1) as Range
  for (const { start, end, accepted } of ranges.slice(0, -1)) {
    resource(accepted ? memory.accepted : memory.unaccepted, start, end)
  }
  if (o.memorySize >= splitFrom) {
    resource(memory.unaccepted, last.start, 2n * gib)
    resource(memory.unaccepted, 4n * gib, last.end + 2n * gib)
  } else {
    resource(memory.unaccepted, last.start, last.end)
  }
  const end = own.memoryAddress + BigInt(56 + 48 * count + 8)
  return new ByteWriter()
    .u16le(1)
    .u16le(56)
    .zero(4)
    .u32le(9)
    .zero(4 + 4 * 8)
    .u64le(end)
    .bytes(resources.finish())
    .finish()
}

/** Memory from 0, in order: the firmware's sections are accepted, the rest is not. */
function rangesOf(sections: readonly TdvfSection[], memorySize: bigint): Range[] {
  const taken = sections
    .filter(({ type }) => type === tdvfSectionTypes.tdHob || type === tdvfSectionTypes.tempMem)
    .map(({ memoryAddress: start, memoryDataSize: size }) => ({ start, end: start + size, accepted: true }))
    .toSorted((left, right) => Number(left.start - right.start))
  const ranges: Range[] = []
  let at = 0n
  for (const range of taken) {
    if (range.start < at || range.end > memorySize) {
      throw new ParseError({ code: 'InvalidValue', message: 'Sections of the firmware overlap or lie outside memory' })
    }
    if (range.start > at) ranges.push({ start: at, end: range.start, accepted: false })
    ranges.push(range)
    at = range.end
  }
  ranges.push({ start: at, end: memorySize, accepted: false })
  return ranges
}
