import type { KeyReleaseAnswer } from '@strongroom/contract'
import { admit, type App, type AppParts } from './admission.ts'
import { apiVersionOf, releaseApiVersionOf } from './request.ts'

/** Secure key release and the generation counter of guest states. */
export function addReleaseRoutes(app: App, parts: AppParts): void {
  for (const path of ['/keys/:name/release', '/keys/:name/:version/release']) {
    app.post(path, async (request): Promise<KeyReleaseAnswer> => {
      const target = await admit(parts, request, 'release')
      const apiVersion = releaseApiVersionOf(request.query)
      return { value: await parts.release.release(request.caller, target, { apiVersion, body: request.body }) }
    })
  }

  app.post('/keys/:name/:version/guest-state-generation', async (request) => {
    const { vault, name, version } = await admit(parts, request, 'advanceGuestStateGeneration')
    apiVersionOf(request.query)
    return parts.release.advance(request.caller, { vault, name, version: version! }, request.body)
  })
}
