import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { Mutant } from './instrument.ts'

/** One worker's task: written by the driver, read by the worker's configuration and its runner. */
export interface Plan {
  root: string
  /** File with the instrumented source, by the absolute path of the original. */
  sources: Record<string, string>
  /** Absolute paths of test files, in execution order. */
  tests: string[]
  mutants: Mutant['id'][]
  /** File of `Entry` lines. */
  journal: string
}

/** A line of the journal, which outlives a killed worker. */
export type Entry =
  | { kind: 'file'; test: string; /** Milliseconds without a mutant. */ ms: number }
  | { kind: 'start'; mutant: string; limit: number }
  | { kind: 'killed'; mutant: string; by: string }
  | { kind: 'survived'; mutant: string }
  | { kind: 'timeout'; mutant: string }
  | { kind: 'done'; test: string }
  | { kind: 'broken'; test: string; why: string }

export const planVariable = 'STRONGROOM_MUTATION_PLAN'

/** @throws if the variable names no plan: these files run only under the driver */
export function readPlan(): Plan {
  const path = process.env[planVariable]
  if (path === undefined) throw new Error(`${planVariable} is not set: start mutation tests by npm run mutate`)
  return JSON.parse(readFileSync(path, 'utf8')) as Plan
}

export function readJournal(path: string): Entry[] {
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry)
}

export function write(journal: string, entry: Entry): void {
  appendFileSync(journal, `${JSON.stringify(entry)}\n`)
}
