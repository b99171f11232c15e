import { loginHost, managedHsmAudience, managedHsmResource } from '@strongroom/contract'
import { vaultWire } from '@strongroom/contract/wires'
import { createHttpApp, requireBearer, serveWire } from '@strongroom/platform'
import type { App } from './admission.ts'
import { readAskedBy } from './on-behalf-of.ts'
import type { HsmAppParts } from './hsm-admission.ts'
import { addHsmBackupRoutes } from './hsm-backup-routes.ts'
import { addHsmDomainRoutes } from './hsm-domain-routes.ts'
import { addHsmRoleRoutes } from './hsm-role-routes.ts'
import { addHsmSettingsRoutes } from './hsm-settings-routes.ts'
import { addKeyRoutes } from './key-routes.ts'
import { addKeyUseRoutes } from './key-use-routes.ts'
import { addLogRoutes } from './log-routes.ts'
import { addReleaseRoutes } from './release-routes.ts'

/** Data plane of all managed HSMs: a vault's key API plus what only HSMs have. Selected by host name. */
export function createHsmApp(parts: HsmAppParts): App {
  const app = createHttpApp({ name: 'managed-hsm', logger: parts.logger, bodyLimit: 8 * 1024 * 1024 })
  serveWire(app, vaultWire)
  const challenge = `Bearer authorization="https://${loginHost}/${parts.tenantId}", resource="${managedHsmResource}"`
  app.addHook(
    'onRequest',
    requireBearer({
      verifier: parts.verifier,
      audiences: [managedHsmAudience, managedHsmResource].flatMap((audience) => [audience, `${audience}/`]),
      challenge: () => challenge,
    }),
  )
  app.addHook('onRequest', readAskedBy(parts.controlPlaneObjectId))
  addKeyRoutes(app, parts)
  addKeyUseRoutes(app, parts)
  addReleaseRoutes(app, parts)
  addLogRoutes(app, parts)
  addHsmRoleRoutes(app, parts)
  addHsmDomainRoutes(app, parts)
  addHsmBackupRoutes(app, parts)
  addHsmSettingsRoutes(app, parts)
  return app
}
