import { type ExitCode, exitCodes } from '../core/cli-error.ts'

/** Exit codes of `evidence verify`: 0 accepted, 1 refused, 2 cannot be judged, 7 valid but without a statement that could be accepted. */
export const refused: ExitCode = exitCodes.failed
export const cannotBeJudged: ExitCode = exitCodes.usage
export const nothingToAccept: ExitCode = exitCodes.nothingToAccept
