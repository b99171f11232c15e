import type { HashName } from '../../eventlog/algorithms.ts'
import { readTypes } from '../../eventlog/event-types.ts'
import { type EventLog, type LogEvent, parseEventLog } from '../../eventlog/event-log.ts'
import { dataCoverage } from '../../eventlog/replay.ts'
import type { Ledger, LogReader } from '../pieces/ledger.ts'
import { attempt } from '../pieces/pool.ts'
import type { Range, Unused } from '../pieces/piece.ts'

/**
 * What no quoted register vouches for in a log: its header and padding, records of other registers, the type of each
 * record, data that its digest does not cover, and digests of other banks.
 */
export async function unusedInLog(of: string, bytes: Uint8Array, ledger: Ledger): Promise<Unused[]> {
  const readers = ledger.readersOf(bytes)
  const log = attempt(() => parseEventLog(bytes))
  if (log === undefined || readers.length === 0) return []
  const rangeOf = (part: Uint8Array): Range => ({ from: part.byteOffset - bytes.byteOffset, length: part.length })
  const [outside, types, data, digests]: [Range[], Range[], Range[], Range[]] = [headerOf(log), [], [], []]
  for (const event of log.events) {
    const banks = banksOf(event, readers)
    if (banks.length === 0) {
      outside.push({ from: event.offset, length: rangeOf(event.data).from + event.data.length - event.offset })
      continue
    }
    types.push({ from: event.offset + 4, length: 4 })
    for (const [bank, digest] of event.digests) if (!banks.includes(bank)) digests.push(rangeOf(digest))
    if (event.data.length > 0 && !(await isCovered(event, banks, log))) data.push(rangeOf(event.data))
  }
  const padding = { from: log.consumed, length: bytes.length - log.consumed }
  const parts: [what: string, ranges: Range[]][] = [
    ['records that no quoted register shows', outside],
    ['types of records, which no digest covers', types],
    ['data that no quoted digest covers', data],
    ['digests of banks that are not quoted', digests],
    ['padding after the last record', padding.length === 0 ? [] : [padding]],
  ]
  return parts.flatMap(([what, ranges]) => (ranges.length === 0 ? [] : [{ of, what, ranges }]))
}

/** The Spec ID record of a crypto-agile log, before its first event. */
function headerOf({ format, events, consumed }: EventLog): Range[] {
  return format === 'sha1' ? [] : [{ from: 0, length: events[0]?.offset ?? consumed }]
}

/** Banks in which this record was replayed. */
function banksOf({ type, pcr, digests }: LogEvent, readers: readonly LogReader[]): HashName[] {
  if (type === readTypes.EV_NO_ACTION) return []
  return readers.filter(({ registers, bank }) => registers.has(pcr) && digests.has(bank)).map(({ bank }) => bank)
}

async function isCovered(event: LogEvent, banks: readonly HashName[], { format }: EventLog): Promise<boolean> {
  for (const bank of banks) {
    // A record that shows other data than was measured fails the log's own check.
    const coverage = await dataCoverage(event, bank, format).catch(() => 'notCovered' as const)
    if (coverage === 'covered') return true
  }
  return false
}
