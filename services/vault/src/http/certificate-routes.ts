import { bundleOf, deletedFieldsOf, itemOf, operationOf, pendingOf, policyBodyOf } from '../certificates/bundles.ts'
import type { CertificateVersion } from '../certificates/certificate-version.ts'
import { backupBytes } from '../objects/backup.ts'
import { nameOf, type Place } from '../objects/lifecycle.ts'
import type { DeletedAt } from '../objects/versioned.ts'
import { admit, admitChange, type App, type AppParts } from './admission.ts'
import { pageFrom } from './pages.ts'
import { apiVersionOf } from './request.ts'

type Json = Record<string, unknown>

/** Certificates, their versions and policies, and deleted certificates. */
export function addCertificateRoutes(app: App, parts: AppParts): void {
  const { certificates, certificateRepository } = parts
  const bundle = async (place: Place, certificate: CertificateVersion): Promise<Json> =>
    bundleOf(certificate, await certificates.policy(place), place.vault)

  app.post('/certificates/:name/create', (request, reply) =>
    admitChange(parts, request, 'certificates/create', async (place) => {
      const certificate = await certificates.create(request.caller, place, request.body)
      if ('csr' in certificate) return await reply.code(202).send(pendingOf(certificate))
      return await reply.code(202).send(operationOf(certificate, await certificates.policy(place)))
    }),
  )

  app.post('/certificates/:name/import', (request) =>
    admitChange(parts, request, 'certificates/import', async (place) =>
      bundle(place, await certificates.importCertificate(request.caller, place, request.body)),
    ),
  )

  app.get('/certificates/:name/pending', async (request) => {
    const place = await admit(parts, request, 'certificates/get')
    apiVersionOf(request.query)
    const waiting = await parts.pendingCertificates.find(place)
    if (waiting !== undefined) return pendingOf(waiting)
    return operationOf(await certificates.get(place), await certificates.policy(place))
  })

  app.get('/certificates/:name/policy', async (request) => {
    const place = await admit(parts, request, 'certificates/get')
    apiVersionOf(request.query)
    return policyBodyOf(await certificates.get(place), await certificates.policy(place))
  })

  app.patch('/certificates/:name/policy', (request) =>
    admitChange(parts, request, 'certificates/update', async (place) => {
      const { certificate, policy } = await certificates.setPolicy(request.caller, place, request.body)
      return policyBodyOf(certificate, policy)
    }),
  )

  for (const path of ['/certificates/:name', '/certificates/:name/:version']) {
    app.get(path, async (request) => {
      const place = await admit(parts, request, 'certificates/get')
      apiVersionOf(request.query)
      return bundle(place, await certificates.get(place, place.version))
    })
    app.patch(path, (request) =>
      admitChange(parts, request, 'certificates/update', async (place) =>
        bundle(place, await certificates.update(request.caller, place, place.version, request.body)),
      ),
    )
  }

  app.get('/certificates', async (request) => {
    const { vault } = await admit(parts, request, 'certificates/list')
    return pageFrom(request, '/certificates', async (after, limit) => {
      const found = await certificateRepository.current({ vault: vault.name, after, limit, deleted: false })
      return found.map((certificate) => ({ cursor: certificate.name, item: itemOf(certificate, vault) }))
    })
  })

  app.get('/certificates/:name/versions', async (request) => {
    const place = await admit(parts, request, 'certificates/list')
    return pageFrom(request, `/certificates/${place.name}/versions`, async (after, limit) => {
      await certificates.get(place)
      const found = await certificateRepository.versions({ ...nameOf(place), after: Number(after) || 0, limit })
      return found.map(({ version, ordinal }) => ({
        cursor: String(ordinal),
        item: itemOf(version, place.vault, version.version),
      }))
    })
  })

  addPendingRoutes(app, parts, bundle)
  addBackupRoutes(app, parts, bundle)
  addDeletedRoutes(app, parts, bundle)
}

function addPendingRoutes(
  app: App,
  parts: AppParts,
  bundle: (place: Place, certificate: CertificateVersion) => Promise<Json>,
): void {
  const { certificates } = parts

  app.post('/certificates/:name/pending/merge', (request, reply) =>
    admitChange(parts, request, 'certificates/create', async (place) => {
      const certificate = await certificates.merge(request.caller, place, request.body)
      return await reply.code(201).send(await bundle(place, certificate))
    }),
  )

  app.delete('/certificates/:name/pending', (request) =>
    admitChange(parts, request, 'certificates/update', async (place) =>
      pendingOf(await certificates.deletePending(request.caller, place)),
    ),
  )
}

function addBackupRoutes(
  app: App,
  parts: AppParts,
  bundle: (place: Place, certificate: CertificateVersion) => Promise<Json>,
): void {
  app.post('/certificates/:name/backup', (request) =>
    admitChange(parts, request, 'certificates/backup', async (place) =>
      parts.certificateBackups.backup(request.caller, place),
    ),
  )

  app.post('/certificates/restore', { bodyLimit: backupBytes }, (request) =>
    admitChange(parts, request, 'certificates/restore', async ({ vault }) => {
      const certificate = await parts.certificateBackups.restore(request.caller, vault, request.body)
      return bundle({ vault, name: certificate.shownName }, certificate)
    }),
  )
}

function addDeletedRoutes(
  app: App,
  parts: AppParts,
  bundle: (place: Place, certificate: CertificateVersion) => Promise<Json>,
): void {
  const { certificates, certificateRepository } = parts

  app.delete('/certificates/:name', (request) =>
    admitChange(parts, request, 'certificates/delete', async (place) => {
      const certificate = await certificates.delete(request.caller, place)
      return { ...(await bundle(place, certificate)), ...deletedFieldsOf(certificate) }
    }),
  )

  app.get('/deletedcertificates', async (request) => {
    const { vault } = await admit(parts, request, 'certificates/list')
    return pageFrom(request, '/deletedcertificates', async (after, limit) => {
      const found = await certificateRepository.current({ vault: vault.name, after, limit, deleted: true })
      return found.map((each) => ({
        cursor: each.name,
        item: { ...itemOf(each, vault), ...deletedFieldsOf(each as CertificateVersion & DeletedAt) },
      }))
    })
  })

  app.get('/deletedcertificates/:name', async (request) => {
    const place = await admit(parts, request, 'certificates/get')
    apiVersionOf(request.query)
    const certificate = await certificates.getDeleted(place)
    return { ...(await bundle(place, certificate)), ...deletedFieldsOf(certificate) }
  })

  app.post('/deletedcertificates/:name/recover', (request) =>
    admitChange(parts, request, 'certificates/recover', async (place) =>
      bundle(place, await certificates.recover(request.caller, place)),
    ),
  )

  app.delete('/deletedcertificates/:name', (request, reply) =>
    admitChange(parts, request, 'certificates/purge', async (place) => {
      await certificates.purge(request.caller, place)
      return reply.code(204).send()
    }),
  )
}
