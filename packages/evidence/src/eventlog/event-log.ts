import { ByteReader } from '../core/bytes/byte-reader.ts'
import { toHex } from '../core/bytes/hex.ts'
import { ParseError } from '../core/errors.ts'
import { type HashName, hashAlgorithmById } from './algorithms.ts'
import { readTypes } from './event-types.ts'

/** One record. The type is a hint: no digest covers it. Trust the data only if a digest covers it. */
export interface LogEvent {
  /** Place in the log, from 0; the header record is not counted. */
  index: number
  /** PCR of a TPM log; measurement register of a CCEL log (0 MRTD, 1 to 4 RTMR0 to RTMR3). */
  pcr: number
  type: number
  digests: ReadonlyMap<HashName, Uint8Array>
  data: Uint8Array
  /** Offset in the log, bytes. */
  offset: number
}

export interface EventLog {
  /** `sha1`: TCG_PCClientPCREvent records (TPM 1.2). `crypto-agile`: TCG_PCR_EVENT2 records after a Spec ID header. */
  format: 'sha1' | 'crypto-agile'
  /** Banks, in header order. */
  algorithms: readonly HashName[]
  /** Version that a crypto-agile header states, for example `2.0.0` (major, minor, errata). */
  specVersion?: string
  events: readonly LogEvent[]
  /** Length of the records in bytes; what follows is padding from the firmware's buffer. */
  consumed: number
}

/** Far above any genuine log (a long boot has a few hundred), and low enough to keep a verifier fast. */
const maximumEvents = 16_384
/** Firmware allocates 64 KiB to 1 MiB; Linux caps what it exposes. */
const maximumBytes = 16 * 1024 * 1024
const maximumPcr = 23
const headerSignature = 'Spec ID Event03\0'

/**
 * Reads a TCG event log (PC Client Platform Firmware Profile, section 10) in either format, or a CCEL log of a TD.
 * Padding of one repeated byte 0x00 or 0xFF after the last record is accepted, because firmware exposes its whole
 * buffer.
 * @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseEventLog } from '@strongroom/evidence'
 *
 * const log = parseEventLog(await readFile('event-log.bin'))
 * log.format // => 'crypto-agile'
 * log.algorithms // => ['sha256']
 * log.events.length // => 43
 */
export function parseEventLog(bytes: Uint8Array): EventLog {
  if (bytes.length > maximumBytes) {
    throw new ParseError({
      code: 'TooLarge',
      message: `Event log of ${bytes.length} bytes`,
      expected: `at most ${maximumBytes}`,
    })
  }
  const reader = new ByteReader(bytes, 'event log')
  const first = readLegacyEvent(reader, 0)
  if (first.type !== readTypes.EV_NO_ACTION || !startsWithText(first.data, headerSignature)) {
    return parseLegacy(reader, bytes, first)
  }
  const header = readHeader(first.data, first.dataOffset)
  reader.bytes(header.vendorBytesAfter, 'vendor information')
  const sizes = new Map(header.algorithms.map((entry) => [entry.id, entry]))
  const events: LogEvent[] = []
  while (reader.remaining > 0 && !isPadding(bytes.subarray(reader.position))) {
    checkCount(events.length, reader.offset)
    events.push(readAgileEvent(reader, events.length, sizes))
  }
  return {
    format: 'crypto-agile',
    algorithms: header.algorithms.map((entry) => entry.name),
    specVersion: header.version,
    events,
    consumed: reader.position,
  }
}

/** True for one repeated byte 0x00 or 0xFF (an empty or erased buffer). A genuine record starts with a PCR index and a type. */
function isPadding(bytes: Uint8Array): boolean {
  const first = bytes[0]
  if (first !== 0 && first !== 0xff) return false
  // A log of PCR 0 records would start with zeros too: it is padding only if all remaining bytes are equal.
  return bytes.every((byte) => byte === first)
}

type LegacyEvent = LogEvent & { dataOffset: number }

function parseLegacy(reader: ByteReader, bytes: Uint8Array, first: LegacyEvent): EventLog {
  const events: LogEvent[] = [plain(first)]
  while (reader.remaining > 0 && !isPadding(bytes.subarray(reader.position))) {
    checkCount(events.length, reader.offset)
    events.push(plain(readLegacyEvent(reader, events.length)))
  }
  return { format: 'sha1', algorithms: ['sha1'], events, consumed: reader.position }
}

function plain(event: LegacyEvent): LogEvent {
  const { dataOffset: _, ...rest } = event
  return rest
}

/** TCG_PCClientPCREvent: index, type, SHA-1 digest, size, data. */
function readLegacyEvent(reader: ByteReader, index: number): LegacyEvent {
  const offset = reader.offset
  const pcr = readPcr(reader)
  const type = reader.u32le('event type')
  const digest = reader.bytes(20, 'digest')
  const size = reader.u32le('event size')
  const dataOffset = reader.offset
  return {
    index,
    pcr,
    type,
    digests: new Map([['sha1', digest]]),
    data: reader.bytes(size, 'event data'),
    offset,
    dataOffset,
  }
}

interface HeaderAlgorithm {
  id: number
  name: HashName
  size: number
}

/** TCG_EfiSpecIDEvent. */
function readHeader(
  data: Uint8Array,
  offset: number,
): { algorithms: HeaderAlgorithm[]; version: string; vendorBytesAfter: number } {
  const reader = new ByteReader(data, 'event log header', offset)
  reader.bytes(16, 'signature')
  reader.u32le('platform class')
  const minor = reader.u8('minor version')
  const major = reader.u8('major version')
  const errata = reader.u8('errata')
  reader.u8('size of UINTN')
  const count = reader.u32le('number of algorithms')
  if (count === 0 || count > 16) {
    throw new ParseError({
      code: 'InvalidValue',
      message: 'event log header: impossible number of algorithms',
      offset: reader.offset,
      expected: '1 to 16',
      found: String(count),
    })
  }
  const algorithms: HeaderAlgorithm[] = []
  for (let at = 0; at < count; at++) {
    const id = reader.u16le('algorithm')
    const size = reader.u16le('digest size')
    const known = hashAlgorithmById(id)
    if (known === undefined) {
      throw new ParseError({
        code: 'UnknownType',
        message: 'event log header: unknown hash algorithm',
        offset: reader.offset,
        found: `0x${id.toString(16)}`,
      })
    }
    if (known.size !== size) {
      throw new ParseError({
        code: 'InvalidValue',
        message: `event log header: wrong digest size of ${known.name}`,
        offset: reader.offset,
        expected: String(known.size),
        found: String(size),
      })
    }
    if (algorithms.some((entry) => entry.id === id)) {
      throw new ParseError({
        code: 'Duplicate',
        message: `event log header: ${known.name} occurs twice`,
        offset: reader.offset,
      })
    }
    algorithms.push({ id, name: known.name, size })
  }
  const vendorSize = reader.u8('vendor information size')
  // Some firmware places the vendor's bytes after the record instead of inside its size. They are not read.
  const inside = Math.min(vendorSize, reader.remaining)
  reader.bytes(inside, 'vendor information')
  reader.end()
  return { algorithms, version: `${major}.${minor}.${errata}`, vendorBytesAfter: vendorSize - inside }
}

/** TCG_PCR_EVENT2: index, type, digests, size, data. A bank named in the header may be missing, and then cannot be replayed. */
function readAgileEvent(reader: ByteReader, index: number, sizes: ReadonlyMap<number, HeaderAlgorithm>): LogEvent {
  const offset = reader.offset
  const pcr = readPcr(reader)
  const type = reader.u32le('event type')
  const count = reader.u32le('digest count')
  if (count === 0 || count > sizes.size) {
    throw new ParseError({
      code: 'InvalidValue',
      message: 'event log: a record has no digest or more than the header has banks',
      offset: reader.offset,
      expected: `1 to ${sizes.size}`,
      found: String(count),
    })
  }
  const digests = new Map<HashName, Uint8Array>()
  for (let at = 0; at < count; at++) {
    const id = reader.u16le('digest algorithm')
    const algorithm = sizes.get(id)
    if (algorithm === undefined) {
      throw new ParseError({
        code: 'UnknownType',
        message: 'event log: digest of a bank that the header does not name',
        offset: reader.offset,
        found: `0x${id.toString(16)}`,
      })
    }
    if (digests.has(algorithm.name)) {
      throw new ParseError({
        code: 'Duplicate',
        message: `event log: two ${algorithm.name} digests in one record`,
        offset: reader.offset,
      })
    }
    digests.set(algorithm.name, reader.bytes(algorithm.size, `${algorithm.name} digest`))
  }
  const size = reader.u32le('event size')
  return { index, pcr, type, digests, data: reader.bytes(size, 'event data'), offset }
}

function readPcr(reader: ByteReader): number {
  const offset = reader.offset
  const pcr = reader.u32le('PCR index')
  if (pcr <= maximumPcr || pcr === 0xffffffff) return pcr
  throw new ParseError({
    code: 'InvalidValue',
    message: 'event log: impossible PCR index',
    offset,
    expected: `0 to ${maximumPcr}`,
    found: String(pcr),
  })
}

function checkCount(count: number, offset: number): void {
  if (count >= maximumEvents)
    throw new ParseError({ code: 'TooLarge', message: `event log: more than ${maximumEvents} records`, offset })
}

/** True if the data starts with these ASCII characters. */
export function startsWithText(data: Uint8Array, text: string): boolean {
  if (data.length < text.length) return false
  return toHex(data.subarray(0, text.length)) === toHex(new TextEncoder().encode(text))
}
