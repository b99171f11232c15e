import { loginHost, vaultAudience } from '@strongroom/contract'
import { createHttpApp, requireBearer } from '@strongroom/platform'
import type { App, AppParts } from './admission.ts'
import { addKeyRoutes } from './key-routes.ts'
import { addLogRoutes } from './log-routes.ts'
import { addReleaseRoutes } from './release-routes.ts'

/** Key Vault's data plane for all vaults; the host name tells which. */
export function createVaultApp(parts: AppParts): App {
  // Tokens of 128 KiB and policies of 64 KiB pass; nothing here is larger.
  const app = createHttpApp({ name: 'vault', logger: parts.logger, bodyLimit: 512 * 1024 })
  const challenge = `Bearer authorization="https://${loginHost}/${parts.tenantId}", resource="${vaultAudience}"`
  app.addHook(
    'onRequest',
    requireBearer({
      verifier: parts.verifier,
      audiences: [vaultAudience, `${vaultAudience}/`],
      challenge: () => challenge,
    }),
  )
  addKeyRoutes(app, parts)
  addReleaseRoutes(app, parts)
  addLogRoutes(app, parts)
  return app
}
