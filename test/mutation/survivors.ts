import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Mutant } from './instrument.ts'
import type { Outcome } from './run-mutants.ts'

/** A mutant that may survive, and why: it changes nothing visible, or unreachable code. */
export interface Reason {
  /** The line on which the place begins, without its indentation. */
  line: string
  original: string
  replacement: string
  why: string
  /** How many mutants of the file look so; default 1. */
  times?: number
}

/** By the file's path from the root. */
export type Reasons = Record<string, Reason[]>

export const survivorsFile = 'test/mutation/survivors.json'

/**
 * Compares survivors with the recorded reasons.
 * @returns survivors without a reason, and reasons without a survivor: both are errors
 */
export function withoutReason(
  root: string,
  outcomes: Outcome[],
  reasons: Reasons,
): { strange: Outcome[]; stale: (Reason & { file: string })[] } {
  const files = new Set(outcomes.map(({ file }) => file))
  const lines = new Map([...files].map((file) => [file, readFileSync(join(root, file), 'utf8').split('\n')]))
  const left = new Map<string, number>()
  for (const file of files) {
    for (const { line, original, replacement, times = 1 } of reasons[file] ?? [])
      left.set([file, line, original, replacement].join('\0'), times)
  }
  const strange = outcomes.filter((outcome) => {
    if (outcome.verdict === 'killed') return false
    const { line, original, replacement } = placeOf(outcome, lines.get(outcome.file)!)
    const key = [outcome.file, line, original, replacement].join('\0')
    const count = left.get(key) ?? 0
    left.set(key, count - 1)
    return count <= 0
  })
  const stale = [...files].flatMap((file) =>
    (reasons[file] ?? [])
      .filter((each) => (left.get([file, each.line, each.original, each.replacement].join('\0')) ?? 0) > 0)
      .map((each) => ({ ...each, file })),
  )
  return { strange, stale }
}

/** How a reason identifies a mutant: by texts, not by numbers, so that it moves with the code and ends with it. */
export function placeOf(mutant: Mutant, lines: string[]): Omit<Reason, 'why'> {
  return {
    line: (lines[mutant.line - 1] ?? '').trim(),
    original: short(mutant.original),
    replacement: short(mutant.replacement),
  }
}

function short(text: string): string {
  const one = text.replaceAll(/\s+/g, ' ')
  return one.length > 120 ? `${one.slice(0, 119)}…` : one
}
