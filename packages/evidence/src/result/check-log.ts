import { toHex } from '../bytes/hex.ts'
import { equal } from '../bytes/bytes.ts'
import type { HashName } from '../eventlog/algorithms.ts'
import { type EventLog, parseEventLog } from '../eventlog/event-log.ts'
import { dataCoverage, replayRtmrs, type VerifiedEventLog, verifyEventLog } from '../eventlog/replay.ts'
import type { Checked } from './check.ts'
import { Checklist } from './checklist.ts'
import { VerificationError } from './errors.ts'

/**
 * Judges an event log.
 * @param o.registers quoted values; absent: the log is read, and proves nothing by itself
 * @param o.rtmrs RTMR0 to RTMR3 of a TD, for a CCEL log
 */
export async function checkEventLog(o: {
  log: Uint8Array
  bank?: HashName
  registers?: ReadonlyMap<number, Uint8Array>
  rtmrs?: readonly Uint8Array[]
}): Promise<Checked<VerifiedEventLog>> {
  const list = new Checklist()
  const log = await list.run(
    'log.format',
    [],
    () => parseEventLog(o.log),
    (parsed) => `${parsed.events.length} records, ${parsed.format}`,
  )
  await list.run('log.data', [log], checkData, (covered) => `${covered} records with data that their digest covers`)
  let value: VerifiedEventLog | undefined
  const { registers, rtmrs } = o
  if (registers !== undefined) {
    const bank = o.bank ?? 'sha256'
    value = await list.run(
      'log.replay',
      [log],
      (parsed: EventLog) => verifyEventLog({ log: parsed, bank, registers }),
      (verified) =>
        `registers ${[...verified.registers.keys()].join(' ')}${verified.unlogged.length === 0 ? '' : `; not in the log: ${verified.unlogged.join(' ')}`}`,
    )
  } else if (rtmrs !== undefined) {
    await list.run(
      'log.replay',
      [log],
      (parsed: EventLog) => requireRtmrs(parsed, rtmrs),
      (found) => `RTMR ${found.join(' ')}`,
    )
  } else {
    list.skip('log.replay', 'No quoted registers were given: the log alone proves nothing', { optional: true })
  }
  return { check: list.all('log'), value }
}

/** @returns how many records have data that the digest of every bank covers */
async function checkData(log: EventLog): Promise<number> {
  let covered = 0
  const banks = log.algorithms.filter((bank) => bank !== 'sm3-256')
  for (const event of log.events) {
    const found = await Promise.all(banks.map((bank) => dataCoverage(event, bank, log.format)))
    if (found.length > 0 && found.every((coverage) => coverage === 'covered')) covered++
  }
  return covered
}

async function requireRtmrs(log: EventLog, rtmrs: readonly Uint8Array[]): Promise<number[]> {
  const replayed = await replayRtmrs(log)
  for (const [index, value] of replayed) {
    const quoted = rtmrs[index] ?? new Uint8Array()
    if (equal(value, quoted)) continue
    throw new VerificationError({
      code: 'EventLogMismatch',
      message: `The log does not replay to RTMR${index}`,
      expected: toHex(quoted),
      found: toHex(value),
    })
  }
  return [...replayed.keys()]
}
