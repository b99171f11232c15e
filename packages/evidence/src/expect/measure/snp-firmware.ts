import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { ParseError } from '../../core/errors.ts'
import { readOvmfTable } from './ovmf-table.ts'

/** GUIDs of OVMF's table at the end of the image. */
const guid = {
  sevHashTable: '7255371f-3a3b-4b04-927b-1da6efa8d454',
  sevEsResetBlock: '00f771de-1a7e-4fcb-890e-68c77e2fb44e',
  sevMetadata: 'dc886566-984a-4798-a75e-5585a7bf67cc',
  svsmInfo: 'a789a612-0597-4c4b-a49f-cbb1fe9d1ddd',
} as const

/**
 * Kinds of sections that the host adds beside the image (OVMF `OvmfSevMetadata`).
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseSnpFirmware, snpSection } from '@strongroom/evidence/expected'
 *
 * const { sections = [] } = parseSnpFirmware(await readFile('ovmf.fd'))
 * sections.filter(({ type }) => type === snpSection.secrets).length // => 1
 */
export const snpSection = { memory: 1, secrets: 2, cpuid: 3, svsmCaa: 4, kernelHashes: 0x10 } as const

export interface SnpSection {
  /** Guest physical address. */
  address: number
  /** Bytes; whole pages. */
  size: number
  type: number
}

/** What a launch uses from a firmware image. */
export interface SnpFirmware {
  /** Undefined for an image without SEV metadata: the host then adds nothing. */
  sections: SnpSection[] | undefined
  /** Entry point of the processors after the first; undefined if the image does not state it. */
  resetAddress: number | undefined
  /** Guest physical address of the kernel hash table; undefined if the image accepts none. */
  hashTableAddress: number | undefined
  /** For an SVSM image: the offset where every processor starts. */
  svsmEntry: number | undefined
}

const fourGiB = 2 ** 32

/**
 * Reads OVMF's or an SVSM's GUID table and SEV metadata. @throws ParseError WrongMagic, UnknownVersion, UnknownType, WrongLength, …
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseSnpFirmware, snpSection } from '@strongroom/evidence/expected'
 *
 * const { sections, hashTableAddress } = parseSnpFirmware(await readFile('ovmf.fd'))
 * sections?.some(({ type }) => type === snpSection.kernelHashes) // => true
 * hashTableAddress !== undefined // => true
 */
export function parseSnpFirmware(image: Uint8Array): SnpFirmware {
  const table = readOvmfTable(image)
  if (table === undefined) return refuse('WrongMagic', 'has no table of GUIDs at its end')
  const number = (name: string, field: string): number | undefined => {
    const entry = table.get(name)
    return entry === undefined ? undefined : new ByteReader(entry, field).u32le('address')
  }
  const metadata = number(guid.sevMetadata, 'SEV metadata pointer')
  // Images that accept no hashes have the entry with address zero.
  const hashTableAddress = number(guid.sevHashTable, 'hash table')
  return {
    sections: metadata === undefined ? undefined : readSections(image, metadata),
    resetAddress: number(guid.sevEsResetBlock, 'reset block'),
    hashTableAddress: hashTableAddress === 0 ? undefined : hashTableAddress,
    svsmEntry: number(guid.svsmInfo, 'SVSM information'),
  }
}

function readSections(image: Uint8Array, offsetFromEnd: number): SnpSection[] {
  const at = image.length - offsetFromEnd
  if (at < 0 || offsetFromEnd < 16) refuse('WrongLength', 'points to SEV metadata outside itself')
  const reader = new ByteReader(image.subarray(at), 'SEV metadata', at)
  if (reader.u32le('signature') !== 0x56455341) refuse('WrongMagic', 'has SEV metadata without their signature ASEV')
  const size = reader.u32le('size')
  const version = reader.u32le('version')
  if (version !== 1) refuse('UnknownVersion', `has SEV metadata of version ${version}`)
  const count = reader.u32le('number of sections')
  if (count > 64 || size < 16 + 12 * count) refuse('WrongLength', 'has SEV metadata of impossible length')
  const sections: SnpSection[] = []
  for (let index = 0; index < count; index++) {
    const address = reader.u32le('address')
    const length = reader.u32le('length')
    const type = reader.u32le('type')
    if (!(Object.values(snpSection) as number[]).includes(type)) refuse('UnknownType', `has a section of type ${type}`)
    if (address % 4096 !== 0 || length % 4096 !== 0 || address + length > fourGiB) {
      refuse('InvalidValue', 'has a section that is not whole pages')
    }
    // Images built for several platforms keep entries that they do not use: those add no page.
    if (length > 0) sections.push({ address, size: length, type })
  }
  return sections
}

function refuse(code: ParseError['code'], message: string): never {
  throw new ParseError({ code, message: `Firmware image ${message}` })
}
