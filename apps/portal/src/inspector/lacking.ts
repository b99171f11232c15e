import { firstFailure, type Check } from '@strongroom/evidence'
import { whatIsMissing, type Judgement } from '@strongroom/evidence/files'

export interface Lacking {
  failed: Check | undefined
  missing: string[]
}

/** Why a judgement did not end as accepted: the first failed check, else what is missing, each once, with where to get it. */
export function whatIsLacking(judgement: Judgement): Lacking {
  const failed = firstFailure(judgement.check)
  const said = whatIsMissing(judgement).map((check) => check.message ?? check.shows)
  return { failed, missing: [...new Set(said)].filter((message) => !message.startsWith('It depends on')) }
}
