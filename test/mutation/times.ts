import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Entry } from './plan.ts'

/** Milliseconds of a test file without a mutant, by path from the root: kept between runs, only for ordering. */
export type Times = Readonly<Record<string, number>>

const pathOf = (root: string): string => join(root, 'node_modules/.cache/strongroom/mutation-times.json')

export function readTimes(root: string): Times {
  const path = pathOf(root)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Times) : {}
}

export function keepTimes(root: string, entries: readonly Entry[]): void {
  const found = entries.flatMap((entry) =>
    entry.kind === 'file' ? [[entry.test.slice(root.length + 1), Math.round(entry.ms)] as const] : [],
  )
  mkdirSync(dirname(pathOf(root)), { recursive: true })
  writeFileSync(pathOf(root), `${JSON.stringify({ ...readTimes(root), ...Object.fromEntries(found) }, undefined, 1)}\n`)
}

/** The same tests in the same order, except that very slow ones come last: they only see survivors of the others. */
export function slowLast(tests: readonly string[], times: Times): string[] {
  const known = tests.flatMap((test) => times[test] ?? []).toSorted((left, right) => left - right)
  const middle = known[Math.floor(known.length / 2)] ?? Number.POSITIVE_INFINITY
  const slow = (test: string): boolean => (times[test] ?? 0) > 4 * middle
  return [...tests.filter((test) => !slow(test)), ...tests.filter(slow)]
}
