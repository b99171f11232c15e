import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { copyRepository, runTestsIn, type CopiedTest } from '../scratch-copy.ts'
import { cures, type Cure } from './cures.ts'
import { faultOf, takenOut } from './take-out.ts'

/**
 * Takes each cure out of a copy of the repository, one at a time, and runs the test that names its attack.
 * @returns a line for each cure whose test does not fail then
 */
export function faultsOf(chosen: readonly Cure[], say: (line: string) => void): string[] {
  const copy = copyRepository()
  const run = (test: string): CopiedTest[] => runTestsIn(copy, ['--project', 'unit*', test]).tests
  const whole = new Map<string, CopiedTest[]>()
  const faults: string[] = []
  try {
    for (const cure of chosen) {
      const before = whole.get(cure.test) ?? run(cure.test)
      whole.set(cure.test, before)
      const path = join(copy, cure.file)
      const source = readFileSync(path, 'utf8')
      writeFileSync(path, takenOut(source, cure))
      const fault = faultOf(cure, before, run(cure.test))
      writeFileSync(path, source)
      say(fault ?? `${cure.attack}: “${cure.title}” fails without ${cure.cure}`)
      if (fault !== undefined) faults.push(fault)
    }
  } finally {
    rmSync(copy, { recursive: true })
  }
  return faults
}

/** `npm run cures -- [ATTACK…]`: exits with 1 if a test does not notice that its cure is gone. */
function main(attacks: readonly string[]): void {
  const unknown = attacks.find((attack) => !cures.some((cure) => cure.attack === attack))
  if (unknown !== undefined) throw new Error(`${unknown} has no cure in test/cures/cures.ts`)
  const chosen = cures.filter(({ attack }) => attacks.length === 0 || attacks.includes(attack))
  const faults = faultsOf(chosen, (line) => void process.stdout.write(`${line}\n`))
  process.stdout.write(`${chosen.length} cures taken out, ${faults.length} not noticed\n`)
  process.exitCode = faults.length === 0 ? 0 : 1
}

if (import.meta.main) main(process.argv.slice(2))
