import { compose, type RunningInstallation } from '../../../apps/strongroomd/src/compose.ts'
import type { TestInstallation } from './installation.ts'

/**
 * Runs the server inside this process, so that a test can act as the platform's own principals, like an operator's
 * insider. Master keys are stored in the installation's home.
 */
export async function startInProcess(
  installation: TestInstallation,
  o: { compute?: 'guests' | 'simulated' } = {},
): Promise<RunningInstallation> {
  process.env['XDG_CONFIG_HOME'] = `${installation.home}/config`
  await installation.layProcessors(o)
  return await compose({
    stateDir: installation.stateDir,
    cacheDir: installation.cacheDir,
    ports: { tls: String(installation.ports.tls), local: String(installation.ports.local) },
    ...o,
  })
}
