import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Tee } from '@strongroom/contract'
import { run } from '@strongroom/platform'
import { openHouse, SimulatedGuest } from '../../insider/support/simulated-guest.ts'
import type { TestInstallation } from './installation.ts'
import { serverContext } from './server-context.ts'

const program = resolve(import.meta.dirname, '../../insider/attest-guest')

/**
 * What another VM of the installation would send to `/attest/AzureGuest`: its own vTPM, certified by the same
 * authority, and a report of the same silicon. None of it is sent, because its provider is not there.
 */
export async function strangerInformation<T>(installation: TestInstallation, tee: Tee): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-stranger-'))
  const guest = await SimulatedGuest.create(await openHouse(await serverContext(installation)), {
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
