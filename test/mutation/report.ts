import { dirname } from 'node:path'
import type { Outcome } from './run-mutants.ts'

/** For people: the score of each folder, in percent of its mutants. */
export function table(outcomes: Outcome[]): string {
  const folders = Map.groupBy(outcomes, ({ file }) => dirname(file))
  const rows = [...folders]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([folder, all]) => [folder, `${all.length}`, ...counts(all), score(all)])
  rows.push(['all', `${outcomes.length}`, ...counts(outcomes), score(outcomes)])
  return [
    ['folder', 'mutants', 'killed', 'survived', 'uncovered', 'score'],
    ['---', '---:', '---:', '---:', '---:', '---:'],
    ...rows,
  ]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')
}

function counts(all: Outcome[]): string[] {
  return (['killed', 'survived', 'uncovered'] as const).map(
    (verdict) => `${all.filter((o) => o.verdict === verdict).length}`,
  )
}

function score(all: Outcome[]): string {
  if (all.length === 0) return '-'
  return ((100 * all.filter(({ verdict }) => verdict === 'killed').length) / all.length).toFixed(1)
}
