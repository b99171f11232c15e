import { authorityRemedy, ownSharedIssuer, type KeyBundle } from '@strongroom/contract'
import type { FastifyReply } from '@strongroom/platform'
import { normalAuthority } from '@strongroom/release-policy'
import { bundleOf, deletedBundleOf, deletedItemOf, itemOf } from '../keys/bundles.ts'
import type { KeyVersion } from '../keys/key-version.ts'
import { nameOf } from '../objects/lifecycle.ts'
import type { DeletedAt } from '../objects/versioned.ts'
import { parseReleasePolicy } from '../keys/release-policy.ts'
import { admit, admitChange, type App, type AppParts } from './admission.ts'
import { pageFrom } from './pages.ts'
import { apiVersionOf } from './request.ts'

/**
 * Warns, in a header, about a key that can never be released here: no authority in its policy is accepted. RFC 7234
 * section 5.5.7: 299, a warning for people.
 */
function warnOfPolicy({ authorities }: AppParts, reply: FastifyReply, bundle: KeyBundle): KeyBundle {
  const data = bundle.release_policy?.data
  const named = data === undefined ? [] : parseReleasePolicy(data).anyOf.map(({ authority }) => authority)
  if (named.length === 0 || named.some((authority) => authorities.trusts(authority))) return bundle
  const origins = named.map((authority) => normalAuthority(authority) ?? authority)
  const first = origins.find((authority) => ownSharedIssuer(authority) !== undefined) ?? origins[0]!
  const text =
    `No token ever releases this key: ${first} is not an attestation provider of this installation. ` +
    authorityRemedy(first)
  void reply.header('warning', `299 strongroom "${text}"`)
  return bundle
}

/** Keys, their versions, and deleted keys. */
export function addKeyRoutes(app: App, parts: AppParts): void {
  const { keys, keyRepository } = parts

  app.post('/keys/:name/create', (request, reply) =>
    admitChange(parts, request, 'create', async (place) =>
      warnOfPolicy(parts, reply, bundleOf(await keys.create(request.caller, place, request.body), place.vault)),
    ),
  )

  app.put('/keys/:name', (request, reply) =>
    admitChange(parts, request, 'import', async (place) =>
      warnOfPolicy(parts, reply, bundleOf(await keys.importKey(request.caller, place, request.body), place.vault)),
    ),
  )

  for (const path of ['/keys/:name', '/keys/:name/:version']) {
    app.get(path, async (request) => {
      const place = await admit(parts, request, 'get')
      apiVersionOf(request.query)
      return bundleOf(await keys.get(place, place.version), place.vault)
    })
    app.patch(path, (request, reply) =>
      admitChange(parts, request, 'update', async (place) => {
        const changed = await keys.update(request.caller, place, place.version, request.body)
        return warnOfPolicy(parts, reply, bundleOf(changed, place.vault))
      }),
    )
  }

  app.get('/keys', async (request) => {
    const { vault } = await admit(parts, request, 'list')
    return pageFrom(request, '/keys', async (after, limit) => {
      const found = await keyRepository.current({ vault: vault.name, after, limit, deleted: false })
      return found.map((key) => ({ cursor: key.name, item: itemOf(key, vault) }))
    })
  })

  app.get('/keys/:name/versions', async (request) => {
    const place = await admit(parts, request, 'list')
    return pageFrom(request, `/keys/${place.name}/versions`, async (after, limit) => {
      await keys.get(place)
      const found = await keyRepository.versions({ ...nameOf(place), after: Number(after) || 0, limit })
      return found.map(({ version, ordinal }) => ({
        cursor: String(ordinal),
        item: itemOf(version, place.vault, version.version),
      }))
    })
  })

  app.delete('/keys/:name', (request) =>
    admitChange(parts, request, 'delete', async (place) =>
      deletedBundleOf(await keys.delete(request.caller, place), place.vault),
    ),
  )

  app.get('/deletedkeys', async (request) => {
    const { vault } = await admit(parts, request, 'list')
    return pageFrom(request, '/deletedkeys', async (after, limit) => {
      const found = await keyRepository.current({ vault: vault.name, after, limit, deleted: true })
      return found.map((key) => ({ cursor: key.name, item: deletedItemOf(key as KeyVersion & DeletedAt, vault) }))
    })
  })

  app.get('/deletedkeys/:name', async (request) => {
    const place = await admit(parts, request, 'get')
    apiVersionOf(request.query)
    return deletedBundleOf(await keys.getDeleted(place), place.vault)
  })

  app.post('/deletedkeys/:name/recover', (request) =>
    admitChange(parts, request, 'recover', async (place) =>
      bundleOf(await keys.recover(request.caller, place), place.vault),
    ),
  )

  app.delete('/deletedkeys/:name', (request, reply) =>
    admitChange(parts, request, 'purge', async (place) => {
      await keys.purge(request.caller, place)
      return reply.code(204).send()
    }),
  )
}
