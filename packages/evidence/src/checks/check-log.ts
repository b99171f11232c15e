import type { HashName } from '../eventlog/algorithms.ts'
import { appraiseBoot, bootClaims, type BootClaims, type BootPolicy } from '../eventlog/boot-claims.ts'
import { type EventLog, parseEventLog } from '../eventlog/event-log.ts'
import { dataCoverage, type VerifiedEventLog, verifyEventLog, verifyRtmrLog } from '../eventlog/replay.ts'
import { systemdPhases } from '../eventlog/boot-phases.ts'
import { appraised, type Checked } from './check.ts'
import { Checklist } from './checklist.ts'

/** What was verified in a log: its registers, and the claims it supports about the boot. */
export interface LogFinding extends VerifiedEventLog {
  claims: BootClaims
}

/**
 * Verifies an event log.
 * @param o.registers quoted values; absent: the log is only parsed, which proves nothing
 * @param o.rtmrs RTMR0 to RTMR3 of a TD, for a CCEL log
 * @param o.mustReplay true if the log accompanies other evidence: then there is no verdict without registers that bind it
 * @param o.policy absent: the log's content is shown but not appraised
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { checkEventLog, firstFailure, parseEventLog, replay } from '@strongroom/evidence'
 *
 * const bytes = await readFile('event-log.bin')
 * const registers = await replay(parseEventLog(bytes), 'sha256') // in practice: quoted by a TPM
 * const { check } = await checkEventLog({ log: bytes, registers, policy: { secureBoot: true } })
 * check.outcome // => 'passed'
 * const other = await checkEventLog({ log: bytes, registers: new Map([[7, new Uint8Array(32)]]) })
 * firstFailure(other.check)?.code // => 'EventLogMismatch'
 */
export async function checkEventLog(o: {
  log: Uint8Array
  bank?: HashName | undefined
  registers?: ReadonlyMap<number, Uint8Array> | undefined
  rtmrs?: readonly Uint8Array[] | undefined
  policy?: BootPolicy | undefined
  mustReplay?: boolean | undefined
}): Promise<Checked<LogFinding>> {
  const list = new Checklist()
  const log = await list.run(
    'log.format',
    [],
    () => parseEventLog(o.log),
    (parsed) => `${parsed.events.length} records, ${parsed.format}`,
  )
  await list.run('log.data', [log], checkData, (covered) => `${covered} records with data that their digest covers`)
  let verified: VerifiedEventLog | undefined
  const { registers, rtmrs, policy } = o
  if (registers === undefined && rtmrs === undefined) {
    list.skip('log.replay', 'No quoted registers were given: the log alone proves nothing', {
      optional: policy === undefined && o.mustReplay !== true,
    })
  } else {
    const bank = o.bank ?? 'sha256'
    verified = await list.run(
      'log.replay',
      [log],
      (parsed: EventLog) =>
        registers === undefined
          ? verifyRtmrLog({ log: parsed, rtmrs: rtmrs ?? [] })
          : verifyEventLog({ log: parsed, bank, registers, later: systemdPhases }),
      (found) => describeRegisters(found, registers === undefined),
    )
  }
  const claims =
    verified &&
    (await list.run(
      'log.claims',
      [verified],
      (found: VerifiedEventLog) => bootClaims(found, registers === undefined ? 'td' : 'tpm'),
      describeClaims,
    ))
  if (policy !== undefined) {
    if (claims === undefined) list.skip('log.policy', 'The log is not bound to quoted registers')
    else list.add(appraised('log.policy', appraiseBoot(claims, policy)))
  }
  const value = verified === undefined || claims === undefined ? undefined : { ...verified, claims }
  return { check: list.all('log'), value }
}

function describeRegisters({ registers, unlogged, later }: VerifiedEventLog, td: boolean): string {
  const names = (numbers: readonly number[]): string => numbers.map((number) => (td ? number - 1 : number)).join(' ')
  const without = unlogged.length === 0 ? '' : `; not in the log: ${names(unlogged)}`
  const phases = [...later].map(
    ([register, count]) => `; ${register} through ${systemdPhases.get(register)?.[count - 1]}`,
  )
  return `${td ? 'RTMR' : 'registers'} ${names([...registers.keys()])}${phases.join('')}${without}`
}

function describeClaims({ secureBoot, applications, unifiedKernel }: BootClaims): string {
  const parts = [
    secureBoot === undefined ? 'Secure Boot unknown' : `Secure Boot ${secureBoot.enabled ? 'on' : 'off'}`,
    ...(applications === undefined ? [] : [`${applications.length} images started`]),
    ...(unifiedKernel === undefined ? [] : [`unified kernel with ${[...unifiedKernel.keys()].join(' ')}`]),
  ]
  return parts.join(', ')
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
