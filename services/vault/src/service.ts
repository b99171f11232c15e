import {
  openStore,
  type InstallationAuthority,
  type Service,
  type ServiceContext,
  type Store,
} from '@strongroom/platform'
import { createVaultAccess, type PlatformAccess } from './access.ts'
import { createVaultApp } from './http/app.ts'
import { Keys } from './keys/keys.ts'
import { vaultOfHost } from './keys/names.ts'
import { KeyRepository } from './keys/repository.ts'
import { createSoftwareKeystore } from './keystore/software.ts'
import { openOperationLog } from './log/open.ts'
import type { LogVerdict } from './log/verify.ts'
import { Authorities } from './release/authorities.ts'
import { KeyRelease } from './release/release.ts'
import { ReleaseSigner } from './release/signer.ts'
import { migrations } from './store/migrations.ts'

const purgeEveryMs = 3600_000

export interface VaultContext extends ServiceContext {
  /** Issues the certificate of the key that signs what is released. */
  authority: InstallationAuthority
  platformAccess: PlatformAccess
}

export interface VaultService extends Service {
  /** Walks the operation log; `broken` where entries were altered or are missing. */
  verifyOperationLog(): Promise<LogVerdict>
}

/**
 * The key service: `{vault}.vault.strongroom.internal`. The vault `platform` always exists; every other name is
 * answered 404. Its database holds keys sealed under `context.sealer`, and an operation log that proves edits.
 */
export async function createVaultService(context: VaultContext): Promise<VaultService> {
  const store = await openStore({ url: context.storeUrl, service: 'vault' })
  try {
    return await createVaultServiceOn(store, context)
  } catch (error) {
    await store.close()
    throw error
  }
}

/** The same on a store that is open already; closing the service closes it. */
export async function createVaultServiceOn(store: Store, context: VaultContext): Promise<VaultService> {
  const { clock, authority, wire } = context
  const logger = context.logger.child({ service: 'vault' })
  const sealer = context.sealer.derive('vault')
  await store.migrate('vault', migrations)
  const repository = new KeyRepository(store)
  await repository.eraseOnRemoval()
  const log = await openOperationLog({ store, sealer, clock })
  const keystore = createSoftwareKeystore(sealer)
  const keys = new Keys({ store, repository, keystore, log, clock })
  const signer = new ReleaseSigner({ store, sealer, clock, authority })
  const authorities = new Authorities({ wire, clock })
  const release = new KeyRelease({ store, repository, keystore, log, clock, authorities, signer })
  const app = createVaultApp({
    keys,
    release,
    repository,
    access: createVaultAccess(context.platformAccess),
    log,
    verifier: context.verifier,
    tenantId: context.installation.tenantId,
    logger: context.logger,
  })

  const checkLog = async (): Promise<void> => {
    const verdict = await log.verify()
    if (verdict.broken) logger.error(verdict, 'the operation log was altered outside the service')
  }
  const purge = async (): Promise<void> => {
    const purged = await keys.purgeDue()
    if (purged > 0) logger.info({ purged }, 'deleted keys were purged')
  }
  let running: Promise<void> = Promise.resolve()
  /** In the background, one after another; what fails is logged and tried again the next time. */
  const inBackground = (...works: (() => Promise<void>)[]): void => {
    for (const work of works) {
      running = running.then(work).catch((error: unknown) => logger.error({ err: error }, 'upkeep of the vault failed'))
    }
  }
  let timer: NodeJS.Timeout | undefined

  return {
    name: 'vault',
    hosts: [{ matches: (host) => vaultOfHost(host) !== undefined, app }],
    start: () => {
      inBackground(() => signer.prepare(), checkLog, purge)
      timer = setInterval(() => inBackground(purge), purgeEveryMs).unref()
      return Promise.resolve()
    },
    close: async () => {
      clearInterval(timer)
      await app.close()
      await running
      await store.close()
    },
    verifyOperationLog: () => log.verify(),
  }
}
