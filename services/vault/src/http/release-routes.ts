import { platformVault, type KeyReleaseAnswer } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { Place } from '../objects/lifecycle.ts'
import { admit, type App, type AppParts, type Request } from './admission.ts'
import { apiVersionOf, releaseApiVersionOf } from './request.ts'

/** Secure key release and the generation counters of guest states. */
export function addReleaseRoutes(app: App, parts: AppParts): void {
  for (const path of ['/keys/:name/release', '/keys/:name/:version/release']) {
    app.post(path, async (request): Promise<KeyReleaseAnswer> => {
      const target = await admit(parts, request, 'release')
      const apiVersion = releaseApiVersionOf(request.query)
      return { value: await parts.release.release(request.caller, target, { apiVersion, body: request.body }) }
    })
  }

  // Only the platform's vault has keys of placed VMs.
  app.put('/keys/:name/:version/placement', async (request) => {
    const target = await admit(parts, request, 'create')
    requireResourceManager(parts, request, target, 'record the placement')
    return await parts.release.place(request.caller, { ...target, version: target.version! }, request.body)
  })

  app.post('/keys/:name/:version/latest-launch', async (request) => {
    const target = await admit(parts, request, 'get')
    requireResourceManager(parts, request, target, 'ask for the latest launch')
    return await parts.release.latestLaunch({ ...target, version: target.version! }, request.body)
  })

  app.post('/keys/:name/:version/guest-state-generation', async (request) => {
    const { vault, name, version } = await admit(parts, request, 'advanceGuestStateGeneration')
    apiVersionOf(request.query)
    return parts.release.advance(request.caller, { vault, name, version: version! }, request.body)
  })
}

function requireResourceManager(parts: AppParts, request: Request, { vault }: Place, what: string): void {
  apiVersionOf(request.query)
  if (vault.name === platformVault && request.caller.objectId === parts.controlPlaneObjectId) return
  throw new ServiceError({
    code: 'Forbidden',
    message: `Only the resource manager may ${what} of a platform key’s VM.`,
    expected: `the resource manager, of the vault ${platformVault}`,
    found: request.caller.objectId,
  })
}
