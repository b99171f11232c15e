import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Tee } from '@strongroom/contract'
import {
  createLogger,
  createSealer,
  createWireClient,
  openInstallation,
  openRootKey,
  run,
  systemClock,
  type ServiceContext,
} from '@strongroom/platform'
import { openHouse, SimulatedGuest } from '../../insider/support/simulated-guest.ts'
import type { TestInstallation } from './installation.ts'

const program = resolve(import.meta.dirname, '../../insider/attest-guest')

/**
 * What another VM of the installation would send at `/attest/AzureGuest`: its own vTPM, certified by the same authority, and a
 * report of the same silicon. Nothing of it is sent, for its provider is not there.
 */
export async function strangerInformation<T>(installation: TestInstallation, tee: Tee): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-stranger-'))
  const guest = await SimulatedGuest.create(await openHouse(await contextOf(installation)), {
    vmId: randomUUID().toUpperCase(),
    tee,
  })
  try {
    const env = { ...guest.environment, PATH: process.env['PATH'] ?? '', https_proxy: 'http://127.0.0.1:1' }
    const args = [program, 'azure-guest', 'https://127.0.0.1:1', 'stranger', folder]
    await run({ command: 'bash', args, env, timeoutMs: 120_000 }).catch(() => undefined)
    return JSON.parse(await readFile(join(folder, 'information.json'), 'utf8')) as T
  } finally {
    await guest.remove()
    await rm(folder, { recursive: true, force: true })
  }
}

/** The keys of the installation, as who runs its server could open them. */
async function contextOf({ home, stateDir, cacheDir, ports }: TestInstallation): Promise<ServiceContext> {
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
