import type { KeyList } from '@strongroom/contract'
import { keyNotFound } from '../errors.ts'
import { bundleOf, deletedBundleOf, deletedItemOf, itemOf } from '../keys/bundles.ts'
import type { DeletedKey } from '../keys/keys.ts'
import { folded } from '../keys/names.ts'
import { admit, type App, type AppParts, type Request } from './admission.ts'
import { apiVersionOf, nextLinkOf, pageOf } from './request.ts'

/** Keys, their versions, and deleted keys. */
export function addKeyRoutes(app: App, parts: AppParts): void {
  const { keys, repository } = parts

  app.post('/keys/:name/create', async (request) => {
    const place = await admit(parts, request, 'create')
    apiVersionOf(request.query)
    return bundleOf(await keys.create(request.caller, place, request.body))
  })

  for (const path of ['/keys/:name', '/keys/:name/:version']) {
    app.get(path, async (request) => {
      const place = await admit(parts, request, 'get')
      apiVersionOf(request.query)
      return bundleOf(await keys.get(place, place.version))
    })
    app.patch(path, async (request) => {
      const place = await admit(parts, request, 'update')
      apiVersionOf(request.query)
      return bundleOf(await keys.update(request.caller, place, place.version, request.body))
    })
  }

  app.get('/keys', async (request) => {
    const { vault } = await admit(parts, request, 'list')
    return pageOfKeys(request, '/keys', async (after, limit) => {
      const found = await repository.current({ vault, after, limit, deleted: false })
      return found.map((key) => ({ cursor: key.name, item: itemOf(key) }))
    })
  })

  app.get('/keys/:name/versions', async (request) => {
    const place = await admit(parts, request, 'list')
    const name = folded(place.name)
    return pageOfKeys(request, `/keys/${place.name}/versions`, async (after, limit) => {
      if (!(await repository.version({ vault: place.vault, name }))) throw keyNotFound(place.name)
      const found = await repository.versions({ vault: place.vault, name, after: Number(after) || 0, limit })
      return found.map(({ key, ordinal }) => ({ cursor: String(ordinal), item: itemOf(key, key.version) }))
    })
  })

  app.delete('/keys/:name', async (request) => {
    const place = await admit(parts, request, 'delete')
    apiVersionOf(request.query)
    return deletedBundleOf(await keys.delete(request.caller, place))
  })

  app.get('/deletedkeys', async (request) => {
    const { vault } = await admit(parts, request, 'list')
    return pageOfKeys(request, '/deletedkeys', async (after, limit) => {
      const found = await repository.current({ vault, after, limit, deleted: true })
      return found.map((key) => ({ cursor: key.name, item: deletedItemOf(key as DeletedKey) }))
    })
  })

  app.get('/deletedkeys/:name', async (request) => {
    const place = await admit(parts, request, 'get')
    apiVersionOf(request.query)
    return deletedBundleOf(await keys.getDeleted(place))
  })

  app.post('/deletedkeys/:name/recover', async (request) => {
    const place = await admit(parts, request, 'recover')
    apiVersionOf(request.query)
    return bundleOf(await keys.recover(request.caller, place))
  })

  app.delete('/deletedkeys/:name', async (request, reply) => {
    const place = await admit(parts, request, 'purge')
    apiVersionOf(request.query)
    await keys.purge(request.caller, place)
    return reply.code(204).send()
  })
}

/** One more than the page is read, to know whether another follows. */
async function pageOfKeys(
  request: Request,
  path: string,
  read: (after: string, limit: number) => Promise<{ cursor: string; item: KeyList['value'][number] }[]>,
): Promise<KeyList> {
  const apiVersion = apiVersionOf(request.query)
  const { limit, after } = pageOf(request.query)
  const found = await read(after, limit + 1)
  const shownNow = found.slice(0, limit)
  const last = found.length > limit ? shownNow.at(-1)?.cursor : undefined
  return {
    value: shownNow.map((entry) => entry.item),
    nextLink: nextLinkOf({ host: request.hostname.toLowerCase(), path, apiVersion, limit, last }),
  }
}
