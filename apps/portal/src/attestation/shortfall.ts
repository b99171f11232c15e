import { attestationAudience } from '@strongroom/contract'
import { readPlatforms as readWith, type SeenPlatform } from '@strongroom/trust/platforms'
import { askService } from '../wire/data-plane.ts'

/** The chunk that shows how far platforms are behind: it parses evidence. */

/** The platforms of the newest decisions, each as last attested. @throws WireError if no provider can be read */
export async function readPlatforms(providers: readonly string[], signal: AbortSignal): Promise<SeenPlatform[]> {
  return await readWith({ providers, read: (url) => askService({ url, audience: attestationAudience, signal }) })
}
