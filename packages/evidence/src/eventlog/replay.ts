import { equal, isZero, utf8 } from '../core/bytes/bytes.ts'
import { toHex } from '../core/bytes/hex.ts'
import { ParseError, VerificationError } from '../core/errors.ts'
import { bankDigest, type HashName, hashAlgorithmByName } from './algorithms.ts'
import { type EventLog, type LogEvent, startsWithText } from './event-log.ts'
import { readTypes } from './event-types.ts'

/** Marker of the TCG_EfiStartupLocalityEvent. */
const startupLocality = 'StartupLocality\0'

/**
 * Values of the registers after all records were extended, only for registers in the log: an absent register proves
 * nothing and must not be read as zero.
 * @param bank one of the log's algorithms
 * @throws VerificationError EventLogMismatch when the log has no such bank, AlgorithmNotAllowed when it cannot be computed here (SM3)
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseEventLog, replay, toHex } from '@strongroom/evidence'
 *
 * const registers = await replay(parseEventLog(await readFile('event-log.bin')), 'sha256')
 * toHex(registers.get(7) ?? new Uint8Array()) // => 'e5d526bff373d65ef2cb2409cd737ef10fb7af38c0fe77304416fb3cdfdec6a8'
 */
export async function replay(log: EventLog, bank: HashName): Promise<Map<number, Uint8Array>> {
  const algorithm = hashAlgorithmByName(bank)
  if (!log.algorithms.includes(bank)) {
    throw new VerificationError({
      code: 'EventLogMismatch',
      message: 'The event log has no digests of this bank',
      expected: bank,
      found: log.algorithms.join(', '),
    })
  }
  const registers = new Map<number, Uint8Array>()
  const locality = startOfPcr0(log)
  if (locality !== undefined) {
    const start = new Uint8Array(algorithm.size)
    start[algorithm.size - 1] = locality
    registers.set(0, start)
  }
  for (const event of log.events) {
    if (event.type === readTypes.EV_NO_ACTION || event.pcr === 0xffffffff) continue
    const digest = event.digests.get(bank)
    if (digest === undefined) {
      throw new VerificationError({
        code: 'EventLogMismatch',
        message: `Record ${event.index} has no digest of this bank`,
        expected: bank,
        found: [...event.digests.keys()].join(', '),
      })
    }
    const before = registers.get(event.pcr) ?? new Uint8Array(algorithm.size)
    registers.set(event.pcr, await bankDigest(bank, before, digest))
  }
  return registers
}

/**
 * RTMR0 to RTMR3 after a CCEL log: its register numbers are 1 to 4 for RTMR0 to RTMR3, 0 for the MRTD, which is not extended
 * by the guest. Registers absent from the log are absent here.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseEventLog, replayRtmrs } from '@strongroom/evidence'
 *
 * const rtmrs = await replayRtmrs(parseEventLog(await readFile('ccel.bin')))
 * Array.from(rtmrs.keys()) // => [0, 1]
 * rtmrs.get(0)?.length // => 48
 */
export async function replayRtmrs(log: EventLog): Promise<Map<number, Uint8Array>> {
  const registers = await replay(log, 'sha384')
  const rtmrs = new Map<number, Uint8Array>()
  for (const [register, value] of registers) {
    if (register < 1 || register > 4) {
      throw new VerificationError({
        code: 'EventLogMismatch',
        message: 'The CCEL log extends a register that a TD does not have',
        expected: '1 to 4',
        found: String(register),
      })
    }
    rtmrs.set(register - 1, value)
  }
  return rtmrs
}

/** Registers that firmware and loader extend and log; RTMR3 belongs to the running system, which this log does not record. */
const loggedRtmrs = [0, 1, 2]

/**
 * Binds a CCEL log to quoted RTMRs; registers of the result have the log's numbers, RTMR0 is 1.
 * @param o.rtmrs RTMR0 to RTMR3
 * @throws VerificationError EventLogMismatch, also if all records of an extended register are missing (attack T9)
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseEventLog, replayRtmrs, verifyRtmrLog } from '@strongroom/evidence'
 *
 * const log = parseEventLog(await readFile('ccel.bin'))
 * const replayed = await replayRtmrs(log)
 * const rtmrs = [0, 1, 2, 3].map((index) => replayed.get(index) ?? new Uint8Array(48)) // in practice: of a quote
 * const verified = await verifyRtmrLog({ log, rtmrs })
 * Array.from(verified.registers.keys()) // => [1, 2]
 */
export async function verifyRtmrLog(o: { log: EventLog; rtmrs: readonly Uint8Array[] }): Promise<VerifiedEventLog> {
  // Refuses registers that a TD does not have.
  const replayed = await replayRtmrs(o.log)
  for (const register of loggedRtmrs) {
    const value = o.rtmrs[register]
    if (value === undefined || isZero(value) || replayed.has(register)) continue
    throw new VerificationError({
      code: 'EventLogMismatch',
      message: `The log has no record of RTMR${register}, which was extended`,
      expected: toHex(value),
      found: 'no record',
    })
  }
  return verifyEventLog({
    log: o.log,
    bank: 'sha384',
    registers: new Map(o.rtmrs.map((value, index) => [index + 1, value])),
  })
}

/**
 * Locality of TPM2_Startup if the log states it: PCR 0 then starts at that value (PC Client Platform Firmware Profile,
 * section 10.4.5.3).
 */
function readStartupLocality(log: EventLog): number | undefined {
  const found: number[] = []
  for (const event of log.events) {
    if (event.type !== readTypes.EV_NO_ACTION || !startsWithText(event.data, startupLocality)) continue
    const locality = event.data[startupLocality.length]
    if (locality === undefined || event.data.length !== startupLocality.length + 1) {
      throw new ParseError({
        code: 'WrongLength',
        message: 'event log: startup locality event of another length',
        offset: event.offset,
      })
    }
    if (locality !== 0 && locality !== 3 && locality !== 4) {
      throw new ParseError({
        code: 'InvalidValue',
        message: 'event log: impossible startup locality',
        offset: event.offset,
        expected: '0, 3 or 4',
        found: String(locality),
      })
    }
    found.push(locality)
  }
  if (found.length > 1)
    throw new ParseError({ code: 'Duplicate', message: 'event log: more than one startup locality event' })
  return found[0]
}

/** Whether a record's data is what was measured: only `covered` data may become a claim. */
export type DataCoverage = 'covered' | 'notCovered'

/**
 * Value at which PCR 0 starts. The H-CRTM is measured from locality 4 before TPM2_Startup, on 0…04, whatever locality
 * starts the TPM later (TPM 2.0 part 1, H-CRTM; PC Client Platform Firmware Profile, EV_EFI_HCRTM_EVENT): its record is
 * PCR 0's first.
 */
function startOfPcr0(log: EventLog): number | undefined {
  const stated = readStartupLocality(log)
  const measured = log.events.filter(({ pcr, type }) => pcr === 0 && type !== readTypes.EV_NO_ACTION)
  const hcrtm = log.events.filter(({ type }) => type === readTypes.EV_EFI_HCRTM_EVENT)
  const [event, another] = hcrtm
  if (event === undefined) return stated
  if (another !== undefined || measured[0] !== event) {
    throw new ParseError({
      code: another === undefined ? 'InvalidValue' : 'Duplicate',
      message: 'event log: the H-CRTM is not measured once and as the first record of PCR 0',
      offset: (another ?? event).offset,
    })
  }
  if (stated !== undefined && stated !== 4) {
    throw new ParseError({
      code: 'InvalidValue',
      message: 'event log: an H-CRTM is measured from locality 4, and the log states another start',
      offset: event.offset,
      expected: '4',
      found: String(stated),
    })
  }
  return 4
}

/** A record of a log that matches the quoted registers. */
export interface MeasuredEvent extends LogEvent {
  coverage: DataCoverage
}

export interface VerifiedEventLog {
  log: EventLog
  bank: HashName
  /** Registers whose replay equals the quoted value, as quoted. */
  registers: ReadonlyMap<number, Uint8Array>
  /** How many of the later measurements a register has beyond the log (see `verifyEventLog`). */
  later: ReadonlyMap<number, number>
  /** Quoted registers that are absent from the log: no claim may be made about them. */
  unlogged: readonly number[]
  /** Records of those registers only, each with whether its digest covers its data. */
  events: readonly MeasuredEvent[]
}

/**
 * Types whose digest is, by specification, the digest of the data: another digest misstates what was measured.
 * EV_S_CRTM_VERSION is excluded: one cloud's firmware measures another form of its version than it logs, and no claim
 * depends on it.
 */
const digestIsOverData: ReadonlySet<number> = new Set([
  readTypes.EV_SEPARATOR,
  readTypes.EV_ACTION,
  readTypes.EV_EFI_ACTION,
  readTypes.EV_EFI_VARIABLE_DRIVER_CONFIG,
  readTypes.EV_EFI_GPT_EVENT,
])

/**
 * Binds a log to quoted registers. Every register of the log in `registers` must replay to its quoted value. Registers
 * missing from the log are listed as unlogged: later software extends registers without the firmware's log.
 * @param o.later texts that software extends after the end of the log, in order, by register: `systemdPhases`. A
 * register may have any number of them, starting with the first.
 * @throws VerificationError EventLogMismatch
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseEventLog, replay, verifyEventLog } from '@strongroom/evidence'
 *
 * const log = parseEventLog(await readFile('event-log.bin'))
 * const registers = await replay(log, 'sha256') // in practice: quoted by a TPM
 * const verified = await verifyEventLog({ log, bank: 'sha256', registers })
 * verified.events.length === log.events.length // => true
 * const others = new Map(registers).set(7, new Uint8Array(32))
 * verifyEventLog({ log, bank: 'sha256', registers: others }) // throws VerificationError EventLogMismatch
 */
export async function verifyEventLog(o: {
  log: EventLog
  bank: HashName
  registers: ReadonlyMap<number, Uint8Array>
  later?: ReadonlyMap<number, readonly string[]>
}): Promise<VerifiedEventLog> {
  const replayed = await replay(o.log, o.bank)
  const unlogged: number[] = []
  const later = new Map<number, number>()
  const registers = new Map<number, Uint8Array>()
  for (const [register, quoted] of o.registers) {
    const value = replayed.get(register)
    if (value === undefined) {
      unlogged.push(register)
      continue
    }
    const beyond = await extendedBy({ value, quoted, bank: o.bank, texts: o.later?.get(register) ?? [] })
    if (beyond === undefined) {
      throw new VerificationError({
        code: 'EventLogMismatch',
        message: `The log does not replay to register ${register}`,
        expected: toHex(quoted),
        found: toHex(value),
      })
    }
    if (beyond > 0) later.set(register, beyond)
    registers.set(register, quoted)
  }
  const events: MeasuredEvent[] = []
  for (const event of o.log.events) {
    if (event.type === readTypes.EV_NO_ACTION || !registers.has(event.pcr)) continue
    events.push({ ...event, coverage: await dataCoverage(event, o.bank, o.log.format) })
  }
  return { log: o.log, bank: o.bank, registers, later, unlogged, events }
}

/** How many of the texts lead from one value to the other; undefined if no number does. */
async function extendedBy(o: {
  value: Uint8Array
  quoted: Uint8Array
  bank: HashName
  texts: readonly string[]
}): Promise<number | undefined> {
  if (equal(o.value, o.quoted)) return 0
  let { value } = o
  for (const [index, text] of o.texts.entries()) {
    value = await bankDigest(o.bank, value, await bankDigest(o.bank, utf8(text)))
    if (equal(value, o.quoted)) return index + 1
  }
  return undefined
}

/**
 * Checks whether a record's digest is the digest of its data.
 * @param format logs of TPM 1.2 give no guarantee: under the TCG EFI Platform Specification 1.2, firmware measures only
 * a variable's value but records more. Such data is not covered, and so becomes no claim.
 * @throws VerificationError EventLogMismatch if the type guarantees it and it does not hold
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { dataCoverage, eventTypes, parseEventLog } from '@strongroom/evidence'
 *
 * const log = parseEventLog(await readFile('event-log.bin'))
 * const variable = log.events.find(({ pcr, type }) => pcr === 7 && type === eventTypes.EV_EFI_VARIABLE_DRIVER_CONFIG)
 * if (variable === undefined) throw new Error('no such event')
 * await dataCoverage(variable, 'sha256') // => 'covered'
 */
export async function dataCoverage(
  event: LogEvent,
  bank: HashName,
  format: EventLog['format'] = 'crypto-agile',
): Promise<DataCoverage> {
  const { webCrypto } = hashAlgorithmByName(bank)
  const digest = event.digests.get(bank)
  if (webCrypto === undefined || digest === undefined) return 'notCovered'
  if (equal(digest, await bankDigest(bank, event.data))) return 'covered'
  if (format === 'crypto-agile' && digestIsOverData.has(event.type)) {
    throw new VerificationError({
      code: 'EventLogMismatch',
      message: `Record ${event.index} shows other data than was measured`,
      expected: toHex(digest),
      found: 'a digest of other data',
    })
  }
  return 'notCovered'
}

/**
 * Measured separators of a register: data 00000000 or FFFFFFFF that the digest covers (section 3.3.2.2 of the profile).
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { parseEventLog, replay, separators, verifyEventLog } from '@strongroom/evidence'
 *
 * const log = parseEventLog(await readFile('event-log.bin'))
 * const verified = await verifyEventLog({ log, bank: 'sha256', registers: await replay(log, 'sha256') })
 * separators(verified, 7).length // => 1
 */
export function separators(verified: VerifiedEventLog, register: number): MeasuredEvent[] {
  return verified.events.filter(
    (event) => event.pcr === register && event.coverage === 'covered' && isSeparatorData(event.data),
  )
}

/** Valid data of EV_SEPARATOR. */
export function isSeparatorData(data: Uint8Array): boolean {
  return data.length === 4 && (data.every((byte) => byte === 0) || data.every((byte) => byte === 0xff))
}
