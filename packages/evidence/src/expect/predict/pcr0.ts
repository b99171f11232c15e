import { concat, equal } from '../../core/bytes/bytes.ts'
import { digest } from '../../core/bytes/digest.ts'
import { parseGuid } from '../../core/bytes/guid.ts'
import { unpackLzma } from '../../core/bytes/lzma.ts'
import { ParseError } from '../../core/errors.ts'
import { eventTypes } from '../../eventlog/event-types.ts'
import { extendAll } from './pcr.ts'

/**
 * Register of the firmware's own code.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { firmwareRegister } from '@strongroom/evidence/expected'
 *
 * const boot = JSON.parse(await readFile('boot.json', 'utf8'))
 * boot.measuredBoot.pcrs[String(firmwareRegister)].length // => 64
 */
export const firmwareRegister = 0

/** What firmware measures about itself, as its event log has it (TCG PC Client Platform Firmware Profile, section 10.4.1). */
export interface FirmwareEvent {
  type: number
  data: Uint8Array
  digest: Uint8Array
}

/** LZMA_CUSTOM_DECOMPRESS_GUID (edk2). */
const compressedSection = parseGuid('ee4e5898-3914-4259-9d6e-dc7bd79403cf')
/** Of the module that measures (edk2 SecurityPkg/Tcg/Tcg2Pei). */
const measuringModule = parseGuid('a0c98b77-cba5-4bb8-993b-4af6ce33ece4')
const volumeSection = 0x17
const programSection = 0x10
const fileHeaderBytes = 24
/** Where OVMF unpacks its two volumes (PcdOvmfPeiMemFvBase, PcdOvmfDxeMemFvBase; edk2 OvmfPkg/OvmfPkgX64.fdf). */
const addresses = [0x82_0000, 0x90_0000] as const

const refuse = (found: string): never => {
  throw new ParseError({ code: 'InvalidValue', message: 'firmware: it is not built like OVMF', found })
}

const uint24 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16)

function indexOf(bytes: Uint8Array, part: Uint8Array): number {
  for (let at = bytes.indexOf(part[0]!); at >= 0; at = bytes.indexOf(part[0]!, at + 1))
    if (equal(bytes.subarray(at, at + part.length), part)) return at
  return -1
}

/** Sections from an offset: size in three bytes, type, content (UEFI PI 1.8 volume 3, section 3.2.5). */
function* sectionsOf(bytes: Uint8Array, from = 0): Generator<{ type: number; content: Uint8Array }> {
  for (let at = from; at + 4 <= bytes.length;) {
    const length = uint24(bytes, at)
    if (length < 4 || at + length > bytes.length) return
    yield { type: bytes[at + 3]!, content: bytes.subarray(at + 4, at + length) }
    at = (at + length + 3) & ~3
  }
}

/** The volumes of a flash file, as they are unpacked into memory. */
function volumesOf(firmware: Uint8Array): Uint8Array[] {
  const at = indexOf(firmware, compressedSection) - 4
  if (at < 0) return refuse('no section that is compressed by LZMA')
  const offset = (firmware[at + 20] ?? 0) | ((firmware[at + 21] ?? 0) << 8)
  const code = unpackLzma(firmware.subarray(at + offset, at + uint24(firmware, at)))
  return [...sectionsOf(code)].filter(({ type }) => type === volumeSection).map(({ content }) => content)
}

/** The one text in the module that measures: the version, in UTF-16 with its end, aligned as compilers align arrays. */
function versionOf(volume: Uint8Array): Uint8Array {
  const at = indexOf(volume, measuringModule)
  if (at < 0) return refuse('no module that measures')
  const file = volume.subarray(at, at + uint24(volume, at + 20))
  const program = [...sectionsOf(file, fileHeaderBytes)].find(({ type }) => type === programSection)?.content
  const texts: Uint8Array[] = []
  for (let start = 0; program !== undefined && start < program.length;) {
    const text = textAt(program, start)
    if (text.length > 0) texts.push(text)
    start += alignment * Math.ceil((text.length + 1) / alignment)
  }
  const [version, second] = texts
  return version === undefined || second !== undefined ? refuse(`${texts.length} versions`) : version
}

const alignment = 16
const shortest = 8

/** @returns empty if there is no text at this place */
function textAt(program: Uint8Array, start: number): Uint8Array {
  let end = start
  while (program[end + 1] === 0 && program[end]! >= 0x20 && program[end]! <= 0x7e) end += 2
  const isText = end - start >= 2 * shortest && program[end] === 0 && program[end + 1] === 0
  return program.subarray(start, isText ? end + 2 : start)
}

/** EFI_PLATFORM_FIRMWARE_BLOB: address and length. */
function blobOf(address: number, length: number): Uint8Array {
  const blob = new DataView(new ArrayBuffer(16))
  blob.setBigUint64(0, BigInt(address), true)
  blob.setBigUint64(8, BigInt(length), true)
  return new Uint8Array(blob.buffer)
}

/**
 * What OVMF measures into PCR 0, in order: its version, both of its volumes as they are unpacked, and the separator. The first
 * volume is in memory as in the file: packages/firmware sees to that.
 * @param firmware flash file as guests are launched with it
 * @throws ParseError for firmware that is not built like OVMF
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { firmwareEvents } from '@strongroom/evidence/expected'
 *
 * // The version, two volumes, and the separator.
 * const events = await firmwareEvents(await readFile('tdvf.fd'))
 * events.length // => 4
 */
export async function firmwareEvents(firmware: Uint8Array): Promise<FirmwareEvent[]> {
  const volumes = volumesOf(firmware)
  const [first] = volumes
  if (first === undefined || volumes.length !== addresses.length) return refuse(`${volumes.length} volumes`)
  const event = async (type: number, data: Uint8Array, measured = data): Promise<FirmwareEvent> => ({
    type,
    data,
    digest: await digest('SHA-256', measured),
  })
  const blobs = volumes.map(async (volume, index) => {
    const place = blobOf(addresses[index]!, volume.length)
    return await event(eventTypes.EV_EFI_PLATFORM_FIRMWARE_BLOB, place, volume)
  })
  return [
    await event(eventTypes.EV_S_CRTM_VERSION, concat(versionOf(first))),
    ...(await Promise.all(blobs)),
    await event(eventTypes.EV_SEPARATOR, new Uint8Array(4)),
  ]
}

/**
 * PCR 0 of a boot of this firmware.
 * @param events as `firmwareEvents` reads them from its bytes
 * @example
 * import { toHex } from '@strongroom/evidence'
 * import { predictPcr0, separatorAlone } from '@strongroom/evidence/expected'
 *
 * // A separator and nothing else.
 * const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(4)))
 * const register = await predictPcr0([{ type: 4, data: new Uint8Array(4), digest }])
 * toHex(register) === toHex(separatorAlone) // => true
 */
export async function predictPcr0(events: readonly FirmwareEvent[]): Promise<Uint8Array> {
  return await extendAll(events.map((event) => event.digest))
}
