import { formatted } from '../boundaries/attack-results.ts'
import type { CopiedTest } from '../scratch-copy.ts'
import type { Cure } from './cures.ts'

/** @throws if the source does not have the cure once: it moved, or another line is like it */
export function takenOut(source: string, { attack, file, cure, without }: Cure): string {
  const parts = source.split(cure)
  if (parts.length !== 2)
    throw new Error(`${attack}: ${file} has its cure ${parts.length - 1} times, not once: ${cure}`)
  return parts.join(without)
}

/** What is wrong with a cure, by its tests before and after it is taken out; undefined if it is what stops the attack. */
export function faultOf(
  { attack, test, title }: Cure,
  before: CopiedTest[],
  without: CopiedTest[],
): string | undefined {
  const pattern = formatted(title)
  const named = (tests: CopiedTest[]): CopiedTest[] => tests.filter((each) => pattern.test(each.title))
  const which = `${attack}: “${title}” of ${test}`
  if (named(before).length === 0) return `${which} did not run`
  if (named(before).some(({ status }) => status !== 'passed')) return `${which} fails although nothing was taken out`
  if (named(without).some(({ status }) => status === 'failed')) return undefined
  return `${which} does not fail without its cure`
}
