import { digest } from '../../core/bytes/digest.ts'
import { ParseError } from '../../core/errors.ts'
import { parseTdvfSections, tdvfAttributes, type TdvfSection, tdvfSectionTypes } from './tdvf.ts'

const pageSize = 4096
const chunkSize = 256
const top = 0x1_0000_0000n
/** Far above any firmware: limits how much a descriptor can make the verifier hash. */
const maximumPages = 16_384

/**
 * MRTD of a TD built from this firmware: TDH.MEM.PAGE.ADD for every page of every section in the
 * descriptor's order, and TDH.MR.EXTEND for every 256 bytes of pages whose content is measured, page by page as KVM does it
 * (TDX module base specification, section 12.2.1).
 * An image without a TDVF descriptor counts as one measured section that ends at 4 GiB.
 * @param o.firmware the code image, with or without the variables before it; descriptor offsets count from the whole image's start
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { mrtd } from '@strongroom/evidence/expected'
 *
 * const value = await mrtd({ firmware: await readFile('tdvf.fd') })
 * value.length // => 48
 */
export async function mrtd(o: { firmware: Uint8Array }): Promise<Uint8Array> {
  const { firmware } = o
  const sections = parseTdvfSections(firmware) ?? [wholeImage(firmware)]
  const missing = missingBefore(firmware, sections)
  const pages: { address: bigint; content: Uint8Array | undefined }[] = []
  for (const section of sections) {
    if (section.attributes & tdvfAttributes.pageAug) continue
    checkSection(section, pages.length)
    const measured = (section.attributes & tdvfAttributes.mrExtend) !== 0
    const content = measured ? sectionContent(firmware, section, missing) : undefined
    const count = Number(section.memoryDataSize) / pageSize
    for (let page = 0; page < count; page++) {
      pages.push({
        address: section.memoryAddress + BigInt(page * pageSize),
        content: content?.subarray(page * pageSize, (page + 1) * pageSize),
      })
    }
  }
  return digest('SHA-384', measuredStream(pages))
}

function measuredStream(pages: readonly { address: bigint; content: Uint8Array | undefined }[]): Uint8Array {
  const perChunk = 128 + chunkSize
  const chunks = pageSize / chunkSize
  const measured = pages.filter((page) => page.content !== undefined).length
  const stream = new Uint8Array(pages.length * 128 + measured * chunks * perChunk)
  const view = new DataView(stream.buffer)
  const operations = { add: new TextEncoder().encode('MEM.PAGE.ADD'), extend: new TextEncoder().encode('MR.EXTEND') }
  let at = 0
  for (const { address, content } of pages) {
    stream.set(operations.add, at)
    view.setBigUint64(at + 16, address, true)
    at += 128
    if (content === undefined) continue
    for (let chunk = 0; chunk < chunks; chunk++) {
      stream.set(operations.extend, at)
      view.setBigUint64(at + 16, address + BigInt(chunk * chunkSize), true)
      stream.set(content.subarray(chunk * chunkSize, (chunk + 1) * chunkSize), at + 128)
      at += perChunk
    }
  }
  return stream
}

function wholeImage(firmware: Uint8Array): TdvfSection {
  const size = Math.ceil(firmware.length / pageSize) * pageSize
  return {
    dataOffset: 0,
    rawDataSize: firmware.length,
    memoryAddress: top - BigInt(size),
    memoryDataSize: BigInt(size),
    type: tdvfSectionTypes.bfv,
    attributes: tdvfAttributes.mrExtend,
  }
}

/** Bytes of the whole image that are not in `firmware`: Debian ships code and variables as two files, and the variables come first. */
function missingBefore(firmware: Uint8Array, sections: readonly TdvfSection[]): number {
  const whole = sections.reduce((end, section) => Math.max(end, section.dataOffset + section.rawDataSize), 0)
  return Math.max(0, whole - firmware.length)
}

function sectionContent(firmware: Uint8Array, section: TdvfSection, missing: number): Uint8Array {
  const start = section.dataOffset - missing
  if (start < 0 || start + section.rawDataSize > firmware.length) {
    throw new ParseError({
      code: 'Truncated',
      message: 'A measured section of the firmware lies outside the image',
      offset: section.dataOffset,
      found: `${firmware.length} bytes`,
    })
  }
  const content = new Uint8Array(Number(section.memoryDataSize))
  content.set(firmware.subarray(start, start + section.rawDataSize))
  return content
}

function checkSection(section: TdvfSection, pagesBefore: number): void {
  const size = Number(section.memoryDataSize)
  const aligned = section.memoryAddress % BigInt(pageSize) === 0n && size % pageSize === 0
  if (!aligned || size < section.rawDataSize || pagesBefore + size / pageSize > maximumPages) {
    throw new ParseError({
      code: 'InvalidValue',
      message: 'A section of the firmware has an impossible place or size',
      offset: section.dataOffset,
      found: `${size} bytes at 0x${section.memoryAddress.toString(16)}`,
    })
  }
}
