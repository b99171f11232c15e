import { checkEventLog } from '../checks/check-log.ts'
import type { Check } from '../checks/check.ts'
import { parseTdxQuote } from '../tdx/quote.ts'
import type { Ledger } from './pieces/ledger.ts'
import type { PieceOf } from './pieces/piece.ts'
import { attempt } from './pieces/pool.ts'
import type { JudgedQuote } from './tpm-quotes.ts'

type Log = PieceOf<'event-log'>

/**
 * Assigns each log to the quote whose registers it replays to, else to the first one, so that the difference is
 * reported.
 * @returns logs of each TD quote; a TPM's logs are put into its quote
 */
export async function placeLogs(o: {
  logs: readonly Log[]
  tpm: readonly JudgedQuote[]
  td: readonly PieceOf<'tdx-quote'>[]
}): Promise<{ ofTds: ReadonlyMap<PieceOf<'tdx-quote'>, Log[]>; unbound: Log[] }> {
  const ofTds = new Map<PieceOf<'tdx-quote'>, Log[]>()
  const unbound: Log[] = []
  const giveTd = (td: PieceOf<'tdx-quote'>, log: Log): unknown => ofTds.set(td, [...(ofTds.get(td) ?? []), log])
  const giveTpm = ({ quote }: JudgedQuote, log: Log): unknown =>
    (quote.furtherLogs = [...(quote.furtherLogs ?? []), log.bytes])
  for (const log of o.logs) {
    const tpm = await findTpm(log, o.tpm)
    const td = tpm.length === 0 ? await findTd(log, o.td) : undefined
    const [firstTpm] = o.tpm
    const [firstTd] = o.td
    if (tpm.length > 0) for (const each of tpm) giveTpm(each, log)
    else if (td !== undefined) giveTd(td, log)
    else if (firstTpm !== undefined) giveTpm(firstTpm, log)
    else if (firstTd !== undefined) giveTd(firstTd, log)
    else unbound.push(log)
  }
  return { ofTds, unbound }
}

/** Notes which registers each log has to replay to. */
export function recordLogs(
  ledger: Ledger,
  tpm: readonly JudgedQuote[],
  ofTds: ReadonlyMap<PieceOf<'tdx-quote'>, readonly Log[]>,
): void {
  for (const { quote } of tpm) {
    const reader = { bank: quote.bank ?? 'sha256', registers: new Set(quote.pcrs?.keys()) } as const
    for (const log of [quote.eventLog, ...(quote.furtherLogs ?? [])]) if (log !== undefined) ledger.read(log, reader)
  }
  const rtmrs = { bank: 'sha384', registers: new Set([1, 2, 3, 4]) } as const
  for (const log of [...ofTds.values()].flat()) ledger.read(log.bytes, rtmrs)
}

const replays = ({ children }: Check): boolean =>
  children.some(({ id, outcome }) => id === 'log.replay' && outcome === 'passed')

/** Quotes of several banks may cover one log. */
async function findTpm(log: Log, quotes: readonly JudgedQuote[]): Promise<JudgedQuote[]> {
  const found: JudgedQuote[] = []
  for (const each of quotes) {
    const { pcrs: registers, bank } = each.quote
    if (replays((await checkEventLog({ log: log.bytes, bank, registers })).check)) found.push(each)
  }
  return found
}

async function findTd(log: Log, quotes: readonly PieceOf<'tdx-quote'>[]): Promise<PieceOf<'tdx-quote'> | undefined> {
  for (const quote of quotes) {
    const rtmrs = attempt(() => parseTdxQuote(quote.bytes).body.rtmrs)
    if (replays((await checkEventLog({ log: log.bytes, rtmrs })).check)) return quote
  }
  return undefined
}
