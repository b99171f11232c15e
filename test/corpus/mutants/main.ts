import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { Case } from './case.ts'
import { corpusCases } from './corpus-cases.ts'
import { addUp, type Result, runMutants, table, total } from './mutants.ts'
import { ownCases } from './own-cases.ts'

const part = 1_000

interface Task {
  cases: readonly Case[]
  first: number
  count: number
}

/**
 * `npm run mutants -- [--count N] [--seed S] [--workers W]`: exits with 1 if an accepted mutant is not explained. Mutant
 * N is the one of seed N, so runs from seeds 1 and 30001 add up to one; the last line says which a run covers.
 */
if (isMainThread) await main()
else await work(workerData as Task)

/** In parts, so that a run that is stopped shows what it has done. */
async function work({ cases, first, count }: Task): Promise<void> {
  for (let done = 0; done < count; done += part)
    parentPort?.postMessage(await runMutants(cases, { first: first + done, count: Math.min(part, count - done) }))
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { count: text, seed: text, workers: text } })
  const whole = (name: keyof typeof values, otherwise: number): number => {
    const value = Number(values[name] ?? otherwise)
    if (Number.isSafeInteger(value) && value > 0) return value
    throw new Error(`--${name} takes a whole number above 0`)
  }
  const [count, seed] = [whole('count', 100_000), whole('seed', 1)]
  const workers = whole('workers', Math.max(1, availableParallelism() - 1))
  const cases = [...(await ownCases()), ...(await corpusCases())]
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  say(`${cases.length} cases, ${count} mutants from seed ${seed}`)
  const share = Math.ceil(count / workers)
  const tasks = Array.from({ length: workers }, (_, index) => index * share).filter((at) => at < count)
  const results: Result[] = []
  const add = (result: Result): void => {
    results.push(result)
    for (const each of result.unexplained) say(JSON.stringify(each))
    if (results.length % 10 === 0) say(`\n${table(addUp(results))}`)
  }
  await Promise.all(tasks.map((at) => inWorker({ cases, first: seed + at, count: Math.min(share, count - at) }, add)))
  const result = addUp(results)
  say(table(result))
  const { mutants, accepted, unexplained } = total(result)
  say(`seeds ${seed} to ${seed + count - 1}: ${mutants} mutants, ${accepted} accepted, ${unexplained} unexplained`)
  process.exitCode = result.unexplained.length === 0 ? 0 : 1
}

async function inWorker(task: Task, add: (result: Result) => void): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: task })
    worker.on('message', add)
    worker.once('error', reject)
    worker.once('exit', () => resolve())
  })
}
