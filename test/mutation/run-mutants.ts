import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { killedEarlier, type Result } from './earlier.ts'
import { instrument, type Instrumented, type Mutant } from './instrument.ts'
import { type Entry, type Plan, planVariable, readJournal, write } from './plan.ts'
import { keepTimes, readTimes, slowLast } from './times.ts'

export interface Outcome extends Mutant {
  /** `killed`: a test failed, or timed out; `survived`: tests ran it and passed; `uncovered`: no test ran it. */
  verdict: 'killed' | 'survived' | 'uncovered'
  /** The test that failed, or `time limit`. */
  by?: string
}

const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
/** For a test file's first run, without a mutant. */
const fileLimit = 600_000

/**
 * Judges every mutant of these files by these tests.
 * @param o.files paths from the root
 * @param o.tests paths from the root, in execution order
 * @param o.jobs parallel workers, each with a share of the mutants
 * @param o.sample maximum number of mutants, evenly spread; all by default
 * @param o.earlier what it killed stays killed in unchanged files
 * @throws if a test fails without a mutant
 */
export async function runMutants(o: {
  root: string
  files: string[]
  tests: string[]
  jobs: number
  sample?: number | undefined
  earlier?: Result | undefined
  say?: (line: string) => void
}): Promise<Outcome[]> {
  const instrumented = await instrument(o.root, o.files)
  const all = spread(instrumented.mutants, o.sample)
  const killed = o.earlier === undefined ? new Map<string, Outcome>() : killedEarlier(o.root, o.earlier, all)
  const mutants = all.filter(({ id }) => !killed.has(id))
  const tests = slowLast(o.tests, readTimes(o.root))
  const work = mkdtempSync(join(tmpdir(), 'mutate-'))
  try {
    const shares = Array.from({ length: o.jobs }, (_, job) => mutants.filter((_each, index) => index % o.jobs === job))
    const found = await Promise.all(
      shares.map(async (share, job) => {
        if (share.length === 0 || tests.length === 0) return []
        const folder = join(work, `${job}`)
        mkdirSync(folder)
        return oneWorker({ ...o, tests, folder, sources: instrumented.sources, share: share.map(({ id }) => id) })
      }),
    )
    keepTimes(o.root, found.flat())
    const judged = new Map(outcomes(mutants, found.flat()).map((outcome) => [outcome.id, outcome]))
    return all.map(({ id }) => killed.get(id) ?? judged.get(id)!)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** This many of them, evenly spaced. */
function spread(mutants: Mutant[], count = mutants.length): Mutant[] {
  if (count >= mutants.length) return mutants
  return Array.from({ length: count }, (_, index) => mutants[Math.floor((index * mutants.length) / count)]!)
}

async function oneWorker(o: {
  root: string
  folder: string
  sources: Instrumented['sources']
  share: string[]
  tests: string[]
  say?: (line: string) => void
}): Promise<Entry[]> {
  const replaced = Object.entries(o.sources).map(([file, text], index) => {
    const path = join(o.folder, `${index}.ts`)
    writeFileSync(path, text)
    return [join(o.root, file), path] as const
  })
  const journal = join(o.folder, 'journal')
  const plan: Plan = { root: o.root, sources: Object.fromEntries(replaced), tests: [], mutants: o.share, journal }
  for (;;) {
    const before = readJournal(journal)
    const broken = before.find((entry) => entry.kind === 'broken')
    if (broken !== undefined) throw new Error(`${broken.test} fails without a mutant: ${broken.why}`)
    const done = new Set(before.flatMap((entry) => (entry.kind === 'done' ? [entry.test] : [])))
    plan.tests = o.tests.map((test) => join(o.root, test)).filter((test) => !done.has(test))
    if (plan.tests.length === 0) return before
    const output = await start(plan, o.folder)
    const after = readJournal(journal)
    const last = after.at(-1)
    // If a mutant ends or hangs the worker, the rest continues without it.
    if (last?.kind === 'start') write(journal, { kind: 'timeout', mutant: last.mutant })
    else if (after.length === before.length || last?.kind === 'file')
      throw new Error(`The tests did not run:\n${output}`)
    o.say?.(`${after.filter(({ kind }) => kind === 'killed').length} of ${o.share.length} killed`)
  }
}

/** Runs vitest over the plan; ends it when one step exceeds its time. @returns the end of its output */
function start(plan: Plan, folder: string): Promise<string> {
  const path = join(folder, 'plan.json')
  writeFileSync(path, JSON.stringify(plan))
  const config = join(import.meta.dirname, 'vitest.config.ts')
  const child = spawn(process.execPath, ['--conditions=x-source', vitest, 'run', '--config', config], {
    cwd: plan.root,
    env: { ...process.env, [planVariable]: path, NODE_OPTIONS: '--conditions=x-source', VITEST: undefined },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let output = ''
  const keep = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-4000))
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  let entries = readJournal(plan.journal).length
  let since = Date.now()
  const watch = setInterval(() => {
    const now = readJournal(plan.journal)
    if (now.length !== entries) [entries, since] = [now.length, Date.now()]
    const last = now.at(-1)
    const limit = last?.kind === 'start' ? last.limit : fileLimit
    // Its own process group, with the workers it started.
    if (Date.now() - since > limit && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, 1000)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => {
      clearInterval(watch)
      resolve(output)
    })
  })
}

function outcomes(mutants: Mutant[], entries: Entry[]): Outcome[] {
  const killed = new Map<string, string>()
  const survived = new Set<string>()
  for (const entry of entries) {
    if (entry.kind === 'killed') killed.set(entry.mutant, entry.by)
    if (entry.kind === 'timeout') killed.set(entry.mutant, 'time limit')
    if (entry.kind === 'survived') survived.add(entry.mutant)
  }
  return mutants.map((mutant) => {
    const by = killed.get(mutant.id)
    if (by !== undefined) return { ...mutant, verdict: 'killed', by }
    return { ...mutant, verdict: survived.has(mutant.id) ? 'survived' : 'uncovered' }
  })
}
