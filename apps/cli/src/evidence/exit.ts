import type { Verdict } from '@strongroom/evidence/files'
import { type ExitCode, exitCodes } from '../core/cli-error.ts'

export const refused: ExitCode = exitCodes.failed
export const cannotBeJudged: ExitCode = exitCodes.usage

/** Exit codes of `evidence verify`. 7: valid, but nothing that could be accepted, or only by a key that nothing endorses. */
export const exitOf: Record<Verdict, ExitCode | 0> = {
  accepted: 0,
  refused,
  unjudged: cannotBeJudged,
  nothing: exitCodes.nothingToAccept,
  unendorsed: exitCodes.nothingToAccept,
}
