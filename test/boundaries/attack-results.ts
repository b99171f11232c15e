import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { rowsIn, type AttackRow } from './attack-page.ts'

/** Results of an attack's named tests in one run. `not run` counts those that the run did not contain. */
export interface AttackResult {
  id: string
  held: number
  failed: number
  skipped: number
  'not run': number
}

/** vitest's JSON: absolute file names, titles as they were formatted. */
export interface RunResults {
  testResults: { name: string; assertionResults: { title: string; status: string }[] }[]
}

/** Matches a title after `it.each` has inserted values. */
export function formatted(title: string): RegExp {
  const parts = title.split(/%[sdifjo]|\$[\w.]+/)
  return new RegExp(`^${parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*')}$`, 's')
}

/** Results of a row's tests; a title of several tests counts each. */
export function resultOf(row: AttackRow, run: RunResults, root: string): AttackResult {
  const result: AttackResult = { id: row.id, held: 0, failed: 0, skipped: 0, 'not run': 0 }
  for (const { file, title } of row.tests) {
    const pattern = formatted(title)
    const found = run.testResults
      .filter(({ name }) => name === join(root, file))
      .flatMap(({ assertionResults }) => assertionResults.filter((each) => pattern.test(each.title)))
    if (found.length === 0) result['not run']++
    for (const { status } of found) {
      if (status === 'passed') result.held++
      else if (status === 'failed') result.failed++
      else result.skipped++
    }
  }
  return result
}

/** Prints what held, failed and was skipped, attack by attack, from vitest's JSON; exit 1 if one failed. */
function main([file]: string[]): void {
  if (file === undefined) {
    process.stderr.write(
      'Usage: npm run attacks -- FILE, the JSON of: npx vitest run --reporter=json --outputFile=FILE\n',
    )
    process.exitCode = 2
    return
  }
  const root = resolve(import.meta.dirname, '../..')
  const run = JSON.parse(readFileSync(file, 'utf8')) as RunResults
  const rows = rowsIn(readFileSync(join(root, 'docs/proof/attacks.md'), 'utf8'))
  const results = rows.filter(({ reason }) => reason === undefined).map((row) => resultOf(row, run, root))
  const kinds = ['held', 'failed', 'skipped', 'not run'] as const
  const line = (id: string, count: (kind: (typeof kinds)[number]) => number): string =>
    `${id.padEnd(6)}${kinds.map((kind) => `${kind} ${count(kind)}`.padEnd(14)).join('')}`.trimEnd()
  const lines = results.map((each) => line(each.id, (kind) => each[kind]))
  const total = (kind: (typeof kinds)[number]): number => results.reduce((sum, each) => sum + each[kind], 0)
  process.stdout.write(`${[...lines, line('all', total)].join('\n')}\n`)
  if (total('failed') > 0) process.exitCode = 1
}

if (import.meta.main) main(process.argv.slice(2))
