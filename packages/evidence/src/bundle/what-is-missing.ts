import { missingChecks, type Check } from '../checks/check.ts'
import type { Judgement } from './judge.ts'

/**
 * What prevents a verdict: the checks whose input is missing.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { genuineAmdAnchors } from '@strongroom/evidence'
 * import { detect, judge, whatIsMissing } from '@strongroom/evidence/files'
 *
 * const anchors = { simulated: false, amd: [...genuineAmdAnchors], intel: [] }
 * const pieces = detect('report.bin', await readFile('report.bin'))
 * const judgement = await judge({ pieces, anchors, at: new Date('2024-01-01') })
 * whatIsMissing(judgement)[0]?.id // => 'snp.chain.format'
 */
export function whatIsMissing(judgement: Judgement): Check[] {
  return missingChecks(judgement.check)
}
