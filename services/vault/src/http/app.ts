import { loginHost, vaultAudience, vaultResource } from '@strongroom/contract'
import { vaultWire } from '@strongroom/contract/wires'
import { createHttpApp, requireBearer, serveWire } from '@strongroom/platform'
import type { App, AppParts } from './admission.ts'
import { readAskedBy } from './on-behalf-of.ts'
import { addCertificateRoutes } from './certificate-routes.ts'
import { addKeyRoutes } from './key-routes.ts'
import { addKeyUseRoutes } from './key-use-routes.ts'
import { addLogRoutes } from './log-routes.ts'
import { addNotOffered } from './not-offered.ts'
import { addReleaseRoutes } from './release-routes.ts'
import { addSecretRoutes } from './secret-routes.ts'

/** Key Vault's data plane for all vaults, selected by host name. */
export function createVaultApp(parts: AppParts): App {
  // Tokens of 128 KiB and policies of 64 KiB fit; routes that accept backups set their own limit.
  const app = createHttpApp({ name: 'vault', logger: parts.logger, bodyLimit: 512 * 1024 })
  serveWire(app, vaultWire)
  const challenge = `Bearer authorization="https://${loginHost}/${parts.tenantId}", resource="${vaultResource}"`
  app.addHook(
    'onRequest',
    requireBearer({
      verifier: parts.verifier,
      audiences: [vaultAudience, `${vaultAudience}/`, vaultResource, `${vaultResource}/`],
      challenge: () => challenge,
    }),
  )
  app.addHook('onRequest', readAskedBy(parts.controlPlaneObjectId))
  addKeyRoutes(app, parts)
  addKeyUseRoutes(app, parts)
  addReleaseRoutes(app, parts)
  addSecretRoutes(app, parts)
  addCertificateRoutes(app, parts)
  addLogRoutes(app, parts)
  addNotOffered(app, parts)
  return app
}
