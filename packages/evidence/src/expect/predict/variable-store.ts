import { ByteReader } from '../../core/bytes/byte-reader.ts'
import { ParseError } from '../../core/errors.ts'
import { formatGuid } from '../../core/bytes/guid.ts'

/** One authenticated UEFI variable that is in force. */
export interface EfiVariable {
  name: string
  /** Lower-case GUID. */
  vendor: string
  attributes: number
  /** EFI_TIME of the last authenticated write, 16 bytes; zeros where it was not one. */
  timestamp: Uint8Array
  data: Uint8Array
}

const nvDataVolume = 'fff12b8d-7696-4c8b-a985-2747075b4f50'
const authenticatedStore = 'aaf32c78-947b-439a-a180-2e144ec37792'
const volumeSignature = 0x4856465f // "_FVH"
const startId = 0x55aa
const headerSize = 60
// Writes clear the state's bits one by one (EDK II VariableFormat.h), so only these two values are valid.
const stateAdded = 0x3f
const stateAddedInDeletedTransition = 0x3e

/**
 * Variables of an EDK II variable store as OVMF keeps it in flash: firmware volume header, store header, then
 * authenticated variables four bytes aligned up to the first unwritten one. Flash after the store is not read.
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseVariableStore } from '@strongroom/evidence/expected'
 *
 * const variables = parseVariableStore(await readFile('variables.fd'))
 * variables.some(({ name }) => name === 'PK') // => true
 */
export function parseVariableStore(flash: Uint8Array): EfiVariable[] {
  const volume = new ByteReader(flash, 'firmware volume')
  volume.bytes(16, 'zero vector')
  expectGuid(volume, nvDataVolume, 'firmware volume')
  volume.u64le('length')
  if (volume.u32le('signature') !== volumeSignature) {
    throw new ParseError({
      code: 'WrongMagic',
      message: 'firmware volume: no _FVH signature',
      offset: 40,
      expected: '_FVH',
    })
  }
  volume.u32le('attributes')
  const volumeHeader = volume.u16le('header length')
  const store = new ByteReader(flash.subarray(volumeHeader), 'variable store', volumeHeader)
  expectGuid(store, authenticatedStore, 'variable store')
  const size = store.u32le('size')
  const format = store.u8('format')
  const state = store.u8('state')
  if (format !== 0x5a || state !== 0xfe) {
    throw new ParseError({
      code: 'InvalidValue',
      message: 'variable store: not formatted, or not healthy',
      offset: volumeHeader + 20,
      expected: 'format 0x5a, state 0xfe',
      found: `format 0x${format.toString(16)}, state 0x${state.toString(16)}`,
    })
  }
  store.bytes(6, 'reserved')
  if (size < 28)
    throw new ParseError({
      code: 'WrongLength',
      message: 'variable store: shorter than its header',
      offset: volumeHeader + 16,
    })
  return readVariables(store.structure(size - 28, 'variables'))
}

/**
 * The variable's data; empty for an absent variable, which the firmware measures the same way.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { efiVendor, parseSignatureLists, parseVariableStore, variableData } from '@strongroom/evidence/expected'
 *
 * const variables = parseVariableStore(await readFile('variables.fd'))
 * parseSignatureLists(variableData(variables, 'KEK', efiVendor.global)).length // => 2
 * variableData(variables, 'absent', efiVendor.global).length // => 0
 */
export function variableData(variables: EfiVariable[], name: string, vendor: string): Uint8Array {
  return variables.find((variable) => variable.name === name && variable.vendor === vendor)?.data ?? new Uint8Array()
}

function readVariables(reader: ByteReader): EfiVariable[] {
  const inForce = new Map<string, EfiVariable>()
  const leaving = new Map<string, EfiVariable>()
  while (reader.remaining >= headerSize) {
    if (reader.u16le('start id') !== startId) break
    const state = reader.u8('state')
    reader.u8('reserved')
    const attributes = reader.u32le('attributes')
    reader.bytes(8, 'monotonic count')
    const timestamp = reader.bytes(16, 'time stamp')
    reader.bytes(4, 'key index')
    const nameSize = reader.u32le('name size')
    const dataSize = reader.u32le('data size')
    const vendor = formatGuid(reader.bytes(16, 'vendor'))
    const name = readName(reader.bytes(nameSize, 'name'))
    const data = reader.bytes(dataSize, 'data')
    const variable: EfiVariable = { name, vendor, attributes, timestamp, data }
    if (state === stateAdded) inForce.set(`${vendor}/${name}`, variable)
    if (state === stateAddedInDeletedTransition) leaving.set(`${vendor}/${name}`, variable)
    const padding = (4 - (reader.position % 4)) % 4
    reader.bytes(Math.min(padding, reader.remaining), 'padding')
  }
  // An update that lost power half way leaves the old value marked for deletion and no new one: the firmware keeps the old value.
  for (const [key, variable] of leaving) if (!inForce.has(key)) inForce.set(key, variable)
  return [...inForce.values()]
}

function readName(bytes: Uint8Array): string {
  const text = new TextDecoder('utf-16le').decode(bytes)
  return text.endsWith('\0') ? text.slice(0, -1) : text
}

function expectGuid(reader: ByteReader, expected: string, structure: string): void {
  const offset = reader.offset
  const found = formatGuid(reader.bytes(16, 'GUID'))
  if (found !== expected) {
    throw new ParseError({ code: 'WrongMagic', message: `${structure}: another GUID`, offset, expected, found })
  }
}
