import { ByteReader } from '../core/bytes/byte-reader.ts'
import { formatGuid } from '../core/bytes/guid.ts'
import { ParseError } from '../core/errors.ts'

/** A UEFI variable as firmware measured it (UEFI_VARIABLE_DATA, PC Client Platform Firmware Profile section 10.4.2). */
export interface MeasuredVariable {
  name: string
  /** Lower-case GUID. */
  vendor: string
  data: Uint8Array
}

/**
 * Parses the data of a variable's record. @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { eventTypeName, parseEventLog, parseMeasuredVariable } from '@strongroom/evidence'
 *
 * const { events } = parseEventLog(await readFile('event-log.bin'))
 * const variables = events.filter(({ type }) => eventTypeName(type) === 'EV_EFI_VARIABLE_DRIVER_CONFIG')
 * variables.map(({ data }) => parseMeasuredVariable(data).name) // => ['SecureBoot', 'PK', 'KEK', 'db', 'dbx']
 */
export function parseMeasuredVariable(data: Uint8Array): MeasuredVariable {
  const reader = new ByteReader(data, 'measured variable')
  const vendor = formatGuid(reader.bytes(16, 'vendor'))
  const nameLength = reader.u64le('name length')
  const dataLength = reader.u64le('data length')
  if (nameLength > 1024n || dataLength > BigInt(data.length)) {
    throw new ParseError({ code: 'TooLarge', message: 'measured variable: lengths beyond its end', offset: 16 })
  }
  const name = new TextDecoder('utf-16le').decode(reader.bytes(Number(nameLength) * 2, 'name'))
  const content = reader.bytes(Number(dataLength), 'data')
  reader.end()
  return { name, vendor, data: content }
}
