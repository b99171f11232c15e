import type { Result } from '../core/output.ts'
import { tableLines } from '../core/output.ts'
import type { Attack } from './attacks/attack.ts'
import type { AttackResult, DrillResult } from './drill.ts'
import type { Verdict } from './judge.ts'

const signs: Record<Verdict, string> = { held: '✓', broken: '✗', inconclusive: '?', 'not tried': '-' }
const verdicts: Verdict[] = ['held', 'broken', 'inconclusive', 'not tried']

/** One finished attack: time, verdict, what was done, what was seen. */
export const attackLines = (result: AttackResult): string[] => [
  `${result.seconds.toFixed(1).padStart(6)} s ${signs[result.verdict]} ${result.verdict.padEnd(12)} ${result.id}: ${result.title}`,
  `            ${result.message}`,
]

function summary(result: DrillResult): string[] {
  const counts = verdicts.map((verdict) => ({
    verdict,
    ids: result.attacks.filter((each) => each.verdict === verdict).map(({ id }) => id),
  }))
  return [
    '',
    `${result.vm}: ${result.attacks.length} attacks in ${Math.round(result.seconds)} s: ` +
      `${counts.map(({ verdict, ids }) => `${ids.length} ${verdict}`).join(', ')}.`,
    ...counts.flatMap(({ verdict, ids }) =>
      verdict === 'held' || ids.length === 0 ? [] : [`  ${verdict}: ${ids.join(' ')}`],
    ),
    'The installation is unchanged, byte for byte.',
    result.held ? 'All held.' : 'Not every defence held.',
  ]
}

export const drillResult = (results: readonly DrillResult[]): Result => ({
  data: { held: results.every(({ held }) => held), drills: results },
  lines: results.flatMap(summary),
})

export const listResult = (list: readonly Attack[]): Result => ({
  data: list.map(({ id, title, does }) => ({ id, title, does })),
  lines: [
    ...tableLines(
      ['Attack', 'What the host does'],
      list.map(({ id, title }) => [id, title]),
    ),
  ],
})
