import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Mutant } from './instrument.ts'
import type { Outcome } from './run-mutants.ts'

/** A run's JSON: every outcome, and each judged source's SHA-256 in hexadecimal. */
export interface Result {
  files: Record<string, string>
  outcomes: Outcome[]
}

/** @param files paths from the root */
export function resultOf(root: string, files: string[], outcomes: Outcome[]): Result {
  return { files: Object.fromEntries(files.map((file) => [file, digestOf(root, file)])), outcomes }
}

/** @throws if no run wrote the file */
export function readResult(path: string): Result {
  const found = JSON.parse(readFileSync(path, 'utf8')) as Partial<Result>
  if (typeof found.files !== 'object' || Array.isArray(found.files) || !Array.isArray(found.outcomes))
    throw new Error(`${path} is not a result of npm run mutate: --again takes what --json wrote`)
  return found as Result
}

/**
 * Mutants that the earlier run killed, by their ids in this run: only in unchanged files. Tests are expected to have
 * been added, not weakened; a run without an earlier one checks that.
 */
export function killedEarlier(root: string, { files, outcomes }: Result, mutants: Mutant[]): Map<string, Outcome> {
  const now = Map.groupBy(mutants, ({ file }) => file)
  const then = Map.groupBy(outcomes, ({ file }) => file)
  const killed = new Map<string, Outcome>()
  for (const [file, found] of now) {
    const before = then.get(file) ?? []
    // A sample has fewer; a changed file has others.
    if (files[file] !== digestOf(root, file) || before.length !== found.length) continue
    for (const [index, mutant] of found.entries()) {
      const outcome = before[index]!
      if (outcome.verdict === 'killed') killed.set(mutant.id, { ...outcome, id: mutant.id })
    }
  }
  return killed
}

function digestOf(root: string, file: string): string {
  const path = join(root, file)
  return existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : ''
}
