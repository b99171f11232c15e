import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createLogger,
  createSealer,
  createWireClient,
  openInstallation,
  openRootKey,
  systemClock,
  type ServiceContext,
} from '@strongroom/platform'
import type { TestInstallation } from './installation.ts'

/** The keys of the installation, as the operator of its server could open them. */
export async function serverContext({ home, stateDir, cacheDir, ports }: TestInstallation): Promise<ServiceContext> {
  process.env['XDG_CONFIG_HOME'] = join(home, 'config')
  const { installation } = await openInstallation({ stateDir })
  const nobody = (): Promise<never> => Promise.reject(new Error('nobody signs in here'))
  return {
    installation,
    stateDir,
    cacheDir,
    storeUrl: `sqlite:${stateDir}`,
    sealer: createSealer(await openRootKey({ stateDir, installationId: installation.id })),
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    wire: createWireClient({ port: ports.tls, caPem: await readFile(join(stateDir, 'ca.pem'), 'utf8') }),
    tokens: { token: nobody },
    verifier: { verify: nobody },
    newId: randomUUID,
  }
}
