import { ServiceError, type Caller } from '@strongroom/platform'
import { bundleOf } from '../keys/bundles.ts'
import type { Keys } from '../keys/keys.ts'
import type { Rotation } from '../keys/rotation.ts'
import { objectOf } from '../objects/attributes.ts'
import type { Place } from '../objects/lifecycle.ts'
import { checkObjectName } from '../core/names.ts'
import { secretItemOf } from '../secrets/bundles.ts'
import type { Secrets } from '../secrets/secrets.ts'
import type { Vaults } from '../vaults/vaults.ts'
import type { App, Request } from './admission.ts'

export interface ManagedObjects {
  keys: Keys
  rotation: Rotation
  secrets: Secrets
}

type Recorded = <T>(
  request: Request,
  of: { known: Vaults; operation: string },
  work: (caller: Caller, vault: string) => Promise<T>,
) => Promise<T>

/**
 * Keys and secrets as resources of the resource manager, which has checked the caller's roles: templates create them
 * together with their vault. Secret values go in and never come out.
 */
export function addObjectManagementRoutes(
  app: App,
  { vaults, objects, recorded }: { vaults: Vaults; objects: ManagedObjects; recorded: Recorded },
): void {
  const { keys, rotation, secrets } = objects
  const placeOf = async (request: Request, vault: string): Promise<Place> => ({
    vault: await vaults.get(vault),
    name: checkObjectName((request.params as { object: string }).object),
  })

  app.put('/vaults/:name/keys/:object', async (request, reply) => {
    const work = async (caller: Caller, vault: string) => {
      const place = await placeOf(request, vault)
      const found = await orNone(keys.get(place))
      // As on Azure, an existing key is never overwritten, so that a template can be deployed again.
      if (found !== undefined) return { created: false, bundle: bundleOf(found, place.vault) }
      const { rotation_policy: policy, ...wanted } = objectOf(request.body, 'body')
      const key = await keys.create(caller, place, wanted)
      if (policy !== undefined) await rotation.setPolicy(caller, place, policy)
      return { created: true, bundle: bundleOf(key, place.vault) }
    }
    const { created, bundle } = await recorded(request, { known: vaults, operation: 'create' }, work)
    return reply.code(created ? 201 : 200).send(bundle)
  })
  app.get('/vaults/:name/keys/:object', async (request) => {
    const place = await placeOf(request, (request.params as { name: string }).name)
    return bundleOf(await keys.get(place), place.vault)
  })

  app.put('/vaults/:name/secrets/:object', async (request, reply) => {
    const work = async (caller: Caller, vault: string) => {
      const place = await placeOf(request, vault)
      const { secret } = await secrets.set(caller, place, request.body)
      return secretItemOf(secret, place.vault, secret.version)
    }
    return reply.code(201).send(await recorded(request, { known: vaults, operation: 'secrets/set' }, work))
  })
  app.get('/vaults/:name/secrets/:object', async (request) => {
    const place = await placeOf(request, (request.params as { name: string }).name)
    const secret = await secrets.get(place)
    return secretItemOf(secret, place.vault, secret.version)
  })
}

async function orNone<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found
  } catch (error) {
    if (error instanceof ServiceError && error.status === 404) return undefined
    throw error
  }
}
