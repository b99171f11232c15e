import type { SecretBundle } from '@strongroom/contract'
import { backupBytes } from '../objects/backup.ts'
import { nameOf } from '../objects/lifecycle.ts'
import type { DeletedAt } from '../objects/versioned.ts'
import { deletedSecretFieldsOf, secretItemOf } from '../secrets/bundles.ts'
import type { SecretVersion } from '../secrets/secret-version.ts'
import { admit, admitChange, type App, type AppParts } from './admission.ts'
import { pageFrom } from './pages.ts'
import { apiVersionOf } from './request.ts'

/** Secrets, their versions, and deleted secrets. */
export function addSecretRoutes(app: App, parts: AppParts): void {
  const { secrets, secretRepository, secretBackups } = parts

  app.put('/secrets/:name', (request): Promise<SecretBundle> =>
    admitChange(parts, request, 'secrets/set', async (place) => {
      const { secret, value } = await secrets.set(request.caller, place, request.body)
      return { value, ...secretItemOf(secret, place.vault, secret.version) }
    }),
  )

  for (const path of ['/secrets/:name', '/secrets/:name/:version']) {
    app.get(path, async (request): Promise<SecretBundle> => {
      const place = await admit(parts, request, 'secrets/get')
      apiVersionOf(request.query)
      const { secret, value } = await secrets.read(request.caller, place, place.version)
      return { value, ...secretItemOf(secret, place.vault, secret.version) }
    })
    app.patch(path, (request): Promise<SecretBundle> =>
      admitChange(parts, request, 'secrets/update', async (place) => {
        const secret = await secrets.update(request.caller, place, place.version, request.body)
        return secretItemOf(secret, place.vault, secret.version)
      }),
    )
  }

  app.get('/secrets', async (request) => {
    const { vault } = await admit(parts, request, 'secrets/list')
    return pageFrom(request, '/secrets', async (after, limit) => {
      const found = await secretRepository.current({ vault: vault.name, after, limit, deleted: false })
      return found.map((secret) => ({ cursor: secret.name, item: secretItemOf(secret, vault) }))
    })
  })

  app.get('/secrets/:name/versions', async (request) => {
    const place = await admit(parts, request, 'secrets/list')
    return pageFrom(request, `/secrets/${place.name}/versions`, async (after, limit) => {
      await secrets.get(place)
      const found = await secretRepository.versions({ ...nameOf(place), after: Number(after) || 0, limit })
      return found.map(({ version, ordinal }) => ({
        cursor: String(ordinal),
        item: secretItemOf(version, place.vault, version.version),
      }))
    })
  })

  app.delete('/secrets/:name', (request) =>
    admitChange(parts, request, 'secrets/delete', async (place) => {
      const secret = await secrets.delete(request.caller, place)
      return { ...secretItemOf(secret, place.vault, secret.version), ...deletedSecretFieldsOf(secret) }
    }),
  )

  app.get('/deletedsecrets', async (request) => {
    const { vault } = await admit(parts, request, 'secrets/list')
    return pageFrom(request, '/deletedsecrets', async (after, limit) => {
      const found = await secretRepository.current({ vault: vault.name, after, limit, deleted: true })
      return found.map((secret) => ({
        cursor: secret.name,
        item: { ...secretItemOf(secret, vault), ...deletedSecretFieldsOf(secret as SecretVersion & DeletedAt) },
      }))
    })
  })

  app.get('/deletedsecrets/:name', async (request) => {
    const place = await admit(parts, request, 'secrets/get')
    apiVersionOf(request.query)
    const secret = await secrets.getDeleted(place)
    return { ...secretItemOf(secret, place.vault, secret.version), ...deletedSecretFieldsOf(secret) }
  })

  app.post('/deletedsecrets/:name/recover', (request) =>
    admitChange(parts, request, 'secrets/recover', async (place) => {
      const secret = await secrets.recover(request.caller, place)
      return secretItemOf(secret, place.vault, secret.version)
    }),
  )

  app.delete('/deletedsecrets/:name', (request, reply) =>
    admitChange(parts, request, 'secrets/purge', async (place) => {
      await secrets.purge(request.caller, place)
      return reply.code(204).send()
    }),
  )

  app.post('/secrets/:name/backup', (request) =>
    admitChange(parts, request, 'secrets/backup', async (place) => secretBackups.backup(request.caller, place)),
  )

  app.post('/secrets/restore', { bodyLimit: backupBytes }, (request): Promise<SecretBundle> =>
    admitChange(parts, request, 'secrets/restore', async ({ vault }) => {
      const secret = await secretBackups.restore(request.caller, vault, request.body)
      return secretItemOf(secret, vault, secret.version)
    }),
  )
}
