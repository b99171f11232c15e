import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, createSealer, openStore, systemClock } from '@strongroom/platform'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createVaultService, type VaultContext } from './service.ts'
import { createFakeProvider } from './testing/fake-provider.ts'

let directory = ''
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'strongroom-vault-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const sealer = createSealer(randomBytes(32))
const context = (o: Partial<VaultContext> = {}): VaultContext => ({
  installation: {
    id: randomUUID(),
    tenantId: randomUUID(),
    subscriptionId: randomUUID(),
    mode: 'simulated',
    createdAt: '2026-01-01T00:00:00Z',
    region: 'westeurope',
    ports: { tls: 1, local: 2 },
  },
  stateDir: directory,
  cacheDir: directory,
  storeUrl: `sqlite:${directory}`,
  sealer,
  clock: systemClock,
  logger: createLogger({ level: 'error', file: join(directory, 'server.log') }),
  wire: createFakeProvider(() => systemClock.now()).wire,
  tokens: { token: () => Promise.reject(new Error('unused')) },
  verifier: { verify: () => Promise.reject(new Error('unused')) },
  newId: randomUUID,
  authority: {
    caPem: '',
    caPath: '',
    serverCredentials: () => Promise.resolve(undefined),
    issueCertificate: () => Promise.reject(new Error('no authority here')),
  },
  platformAccess: {
    orchestratorObjectId: 'orchestrator',
    controlPlaneObjectId: 'controlPlane',
    ownerObjectId: 'owner',
  },
  ...o,
})

describe('the vault service', () => {
  it('keeps its own database, readable by nobody else, and starts again on it', async () => {
    for (let round = 0; round < 2; round++) {
      const service = await createVaultService(context())
      expect(service.hosts.map((host) => host.matches('platform.vault.strongroom.internal'))).toEqual([
        true,
        false,
        false,
      ])
      await service.start()
      await service.close()
    }
    expect((await stat(join(directory, 'vault.db'))).mode & 0o777).toBe(0o600)
  })

  it('does not start where one principal would hold both sides, or none is named', async () => {
    const same = { orchestratorObjectId: 'x', controlPlaneObjectId: 'x', ownerObjectId: 'y' }
    await expect(createVaultService(context({ platformAccess: same }))).rejects.toThrow('must differ')
    const none = { orchestratorObjectId: '', controlPlaneObjectId: 'x', ownerObjectId: 'y' }
    await expect(createVaultService(context({ platformAccess: none }))).rejects.toThrow('no object id')
  })

  it('does not start under another master key', async () => {
    await (await createVaultService(context())).close()
    await expect(createVaultService(context({ sealer: createSealer(randomBytes(32)) }))).rejects.toThrow()
  })

  it('reports at its start an operation log that was altered', async () => {
    const first = await createVaultService(context())
    await first.close()
    const store = await openStore({ url: `sqlite:${directory}`, service: 'vault', sealer })
    await store.db.insertInto('log_head').values({ vault: 'platform', size: 3, frontier: '', checkpoint: '' }).execute()
    await store.close()
    const second = await createVaultService(context())
    await second.start()
    expect(await second.verifyOperationLog()).toMatchObject({ entries: 0, broken: { vault: 'platform', index: 0 } })
    await second.close()
    expect(await readFile(join(directory, 'server.log'), 'utf8')).toContain(
      'the operation log was altered outside the service',
    )
  })
})
