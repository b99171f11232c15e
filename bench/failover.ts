import { repeatable, runFailovers } from '../test/system/support/failover-run.ts'
import { quantile } from './support/measure.ts'
import { step } from './support/progress.ts'
import { machineFacts, printReport } from './support/report.ts'

/** Issue 18. Patroni itself takes up to 20 s, its least `ttl`, to declare a silent primary gone. */
const goals = { unavailableP95: 30_000, lost: 0, failed: 0, unfinished: 0 }

/**
 * A server on a Patroni cluster of three, whose primary is killed, cut off or left behind again and again while clients
 * write and VMs are created and deleted. Needs root. @returns whether the goals are reached
 */
export async function bench(o: { json: boolean; full: boolean }): Promise<boolean> {
  const facts = machineFacts()
  const { faults, registers, operations, failures, unsettled } = await runFailovers(o.full ? 100 : 4, step)
  const unavailable = faults.map(({ unavailableMs }) => unavailableMs)
  const ended = Object.values(operations).reduce((sum, count) => sum + count, 0)
  const figures = {
    faults: faults.length,
    unavailableMedian: quantile(unavailable, 0.5),
    unavailableP95: quantile(unavailable, 0.95),
    unavailableWorst: Math.max(...unavailable),
    acknowledged: registers.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
    lost: registers.reduce((sum, { acknowledged, found }) => sum + Math.max(0, acknowledged - found), 0),
    stale: registers.reduce((sum, { stale }) => sum + stale.length, 0),
    otherRefusals: registers
      .flatMap(({ refusals }) => Object.keys(refusals))
      .filter((code) => !repeatable.includes(code)),
    operations: ended,
    failed: failures.length,
    unfinished: (operations['PUT unfinished'] ?? 0) + (operations['DELETE unfinished'] ?? 0) + unsettled.length,
  }
  const reached =
    figures.unavailableP95 <= goals.unavailableP95 &&
    figures.lost + figures.stale + figures.otherRefusals.length + figures.failed + figures.unfinished === 0
  const rows = [
    ['', 'reached', 'wanted'],
    ['primaries lost', String(figures.faults), ''],
    ['unavailable, median', `${(figures.unavailableMedian / 1000).toFixed(1)} s`, ''],
    ['unavailable, p95', `${(figures.unavailableP95 / 1000).toFixed(1)} s`, `≤ ${goals.unavailableP95 / 1000} s`],
    ['unavailable, worst', `${(figures.unavailableWorst / 1000).toFixed(1)} s`, ''],
    ['acknowledged writes lost', `${figures.lost} of ${figures.acknowledged}`, String(goals.lost)],
    ['reads older than what was acknowledged', String(figures.stale), '0'],
    ['refusals that clients do not repeat', figures.otherRefusals.join(', ') || '0', '0'],
    ['operations that failed', `${figures.failed} of ${figures.operations}`, String(goals.failed)],
    ['operations without an end', `${figures.unfinished} of ${figures.operations}`, String(goals.unfinished)],
  ]
  printReport(o, { facts, data: { goals, figures, operations, failures, faults, reached }, rows })
  return reached
}
