import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ByteWriter } from '../../core/bytes/byte-writer.ts'
import { concat, utf8 } from '../../core/bytes/bytes.ts'
import { digest } from '../../core/bytes/digest.ts'
import { fromHex, toHex } from '../../core/bytes/hex.ts'
import { ParseError } from '../../core/errors.ts'
import { mrtd } from './mrtd.ts'
import { parseTdvfSections, type TdvfSection } from './tdvf.ts'

const footer = fromHex('de82b596b21ff745baeaa366c55a082d')
const tdx = fromHex('35657ae44a989847865e4685a7bf8ec2')

/** An image with a descriptor at the end of its first page and its table before the reset vector. */
function image(sections: Partial<TdvfSection>[], size = 3 * 4096): Uint8Array {
  const bytes = Uint8Array.from({ length: size }, (_, index) => (index * 31) & 0xff)
  const descriptor = new ByteWriter()
    .bytes(utf8('TDVF'))
    .u32le(16 + 32 * sections.length)
    .u32le(1)
    .u32le(sections.length)
  for (const section of sections) {
    const {
      dataOffset = 0,
      rawDataSize = 0,
      memoryAddress = 0n,
      memoryDataSize = 0n,
      type = 0,
      attributes = 0,
    } = section
    descriptor
      .u32le(dataOffset)
      .u32le(rawDataSize)
      .u64le(memoryAddress)
      .u64le(memoryDataSize)
      .u32le(type)
      .u32le(attributes)
  }
  const at = size - 1024
  bytes.set(descriptor.finish(), at)
  const entry = new ByteWriter().u32le(1024).u16le(22).bytes(tdx).finish()
  const table = new ByteWriter()
    .bytes(entry)
    .u16le(entry.length + 18)
    .bytes(footer)
    .finish()
  bytes.set(table, size - 32 - table.length)
  return bytes
}

function page(address: bigint): Uint8Array {
  return new ByteWriter().padded(utf8('MEM.PAGE.ADD'), 16).u64le(address).zero(104).finish()
}

function extend(address: bigint, content: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  for (let at = 0; at < 4096; at += 256) {
    parts.push(
      new ByteWriter()
        .padded(utf8('MR.EXTEND'), 16)
        .u64le(address + BigInt(at))
        .zero(104)
        .finish(),
      content.subarray(at, at + 256),
    )
  }
  return concat(...parts)
}

const measured: Partial<TdvfSection> = {
  dataOffset: 4096,
  rawDataSize: 4096,
  memoryAddress: 0xffff0000n,
  memoryDataSize: 8192n,
  attributes: 1,
}
const memory: Partial<TdvfSection> = { memoryAddress: 0x800000n, memoryDataSize: 4096n, type: 3 }

describe('the MRTD of a firmware image', () => {
  it('covers the place of every page and the content of those that are measured, in the descriptor’s order', async () => {
    const firmware = image([measured, memory])
    const content = firmware.subarray(4096, 8192)
    const stream = concat(
      page(0xffff0000n),
      extend(0xffff0000n, content),
      page(0xffff1000n),
      extend(0xffff1000n, new Uint8Array(4096)),
      page(0x800000n),
    )
    expect(toHex(await mrtd({ firmware }))).toBe(toHex(await digest('SHA-384', stream)))
    expect(toHex(await mrtd({ firmware: image([memory, measured]) }))).not.toBe(toHex(await mrtd({ firmware })))
  })

  it('is the same for the code file alone, when the variables lie before it and are not measured', async () => {
    const variables: Partial<TdvfSection> = {
      dataOffset: 0,
      rawDataSize: 4096,
      memoryAddress: 0xffffe000n,
      memoryDataSize: 4096n,
      type: 1,
    }
    const code: Partial<TdvfSection> = {
      dataOffset: 4096,
      rawDataSize: 8192,
      memoryAddress: 0xfffff000n,
      memoryDataSize: 8192n,
      attributes: 1,
    }
    const firmware = image([code, variables])
    expect(toHex(await mrtd({ firmware: firmware.subarray(4096) }))).toBe(toHex(await mrtd({ firmware })))
    const onlyVariablesDiffer = Uint8Array.from(firmware).fill(9, 0, 4096)
    expect(toHex(await mrtd({ firmware: onlyVariablesDiffer }))).toBe(toHex(await mrtd({ firmware })))
  })

  it('does not cover pages that are added while the TD runs', async () => {
    const later: Partial<TdvfSection> = { ...memory, attributes: 2 }
    expect(toHex(await mrtd({ firmware: image([measured, later], 4 * 4096) }))).not.toBe('')
    const firmware = image([memory, later])
    expect(toHex(await mrtd({ firmware }))).toBe(toHex(await digest('SHA-384', page(0x800000n))))
  })

  it('without a descriptor covers the whole image, ending at 4 GiB', async () => {
    const firmware = new Uint8Array(4096).fill(7)
    const stream = concat(page(0xfffff000n), extend(0xfffff000n, firmware))
    expect(parseTdvfSections(firmware)).toBeUndefined()
    expect(toHex(await mrtd({ firmware }))).toBe(toHex(await digest('SHA-384', stream)))
  })

  it('is refused for sections that lie nowhere, overlap their size or would take for ever', async () => {
    const wrong: Partial<TdvfSection>[] = [
      { ...measured, memoryAddress: 1n },
      { ...measured, memoryDataSize: 4097n },
      { ...measured, memoryDataSize: 0n },
      { ...memory, memoryDataSize: 1n << 60n },
    ]
    for (const section of wrong) await expect(mrtd({ firmware: image([section]) })).rejects.toThrow(ParseError)
  })

  it('comes from a descriptor that is read or refused as a parse error, whatever bytes change', () => {
    const firmware = image([measured, memory])
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1100 }), fc.nat(255), (fromEnd, value) => {
        const changed = Uint8Array.from(firmware)
        changed[changed.length - fromEnd] = value
        try {
          parseTdvfSections(changed)
        } catch (error) {
          expect(error).toBeInstanceOf(ParseError)
        }
      }),
      { numRuns: 500 },
    )
  })
})
