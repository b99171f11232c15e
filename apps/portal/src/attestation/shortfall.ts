import { attestationAudience } from '@strongroom/contract'
import { readPlatforms as readWith, type SeenPlatform } from '@strongroom/trust/platforms'
import { askService } from '../wire/data-plane.ts'

/** The chunk that says how far platforms are behind: it reads evidence. */

/** The platforms of the newest decisions, each as it was attested last. @throws WireError where no provider can be read */
export async function readPlatforms(providers: readonly string[], signal: AbortSignal): Promise<SeenPlatform[]> {
  return await readWith({ providers, read: (url) => askService({ url, audience: attestationAudience, signal }) })
}
