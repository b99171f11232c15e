import { join } from 'node:path'
import { firmwareListFile, vaultManagementHost } from '@strongroom/contract'
import type { Jwk } from '@strongroom/evidence'
import {
  openServiceStore,
  type InstallationAuthority,
  type Service,
  type ServiceContext,
  type Store,
} from '@strongroom/platform'
import type { PlatformAccess } from './access/platform-access.ts'
import { VaultAccess } from './access/vault-access.ts'
import { KeyAttestation } from './attestation/key-attestation.ts'
import { createVaultApp } from './http/app.ts'
import { createHsmApp } from './http/hsm-app.ts'
import { createManagementApp } from './http/management-app.ts'
import { RateLimits, type VaultRates } from './http/rate-limits.ts'
import { Activation } from './hsm/activation.ts'
import { FullBackups } from './hsm/full-backup.ts'
import { HsmVaults } from './hsm/hsm-vaults.ts'
import { Hsms } from './hsm/hsms.ts'
import { LocalRoles } from './hsm/local-roles.ts'
import { HsmRepository } from './hsm/repository.ts'
import { hsmMigrations } from './hsm/tables.ts'
import { Certificates } from './certificates/certificates.ts'
import { CertificateBackups } from './certificates/backup.ts'
import { PendingCertificates } from './certificates/pending.ts'
import { CertificateRepository } from './certificates/repository.ts'
import { CryptoOperations } from './keys/crypto-operations.ts'
import { keyRows, type KeyVersion } from './keys/key-version.ts'
import { keyEntry, Keys } from './keys/keys.ts'
import { movedKey } from './keys/moved-key.ts'
import { KeyRepository } from './keys/repository.ts'
import { Rotation } from './keys/rotation.ts'
import type { KeystoreConfiguration } from './keystore/configuration.ts'
import { openKeystore } from './open-keystore.ts'
import { RemovedKeys, removedKeysMigrations } from './keys/removed-keys.ts'
import { openOperationLog } from './log/open.ts'
import type { LogVerdict } from './log/verify.ts'
import { Refusals } from './log/refusals.ts'
import { Backups } from './objects/backup.ts'
import { hsmOfHost, vaultOfHost } from './core/names.ts'
import { ObjectRepository } from './objects/repository.ts'
import { Authorities } from './release/authorities.ts'
import { KeyPlacements } from './release/placement.ts'
import { SignedFirmwareList } from './release/firmware-list.ts'
import { KeyRelease } from './release/release.ts'
import { VmFirmware } from './release/vm-firmware.ts'
import { VmSettings } from './release/vm-settings.ts'
import { attestationSigning, CertifiedSigner, releaseSigning } from './signing/certified-signer.ts'
import { secretRows, type SecretVersion } from './secrets/secret-version.ts'
import { secretEntry, Secrets } from './secrets/secrets.ts'
import { eraseOnRemoval, forgetRemoved } from './store/erasure.ts'
import { migrations } from './store/migrations.ts'
import type { KeyVersionRow, SecretVersionRow } from './store/tables.ts'
import { VaultRepository } from './vaults/repository.ts'
import { platformVaultOf } from './vaults/vault.ts'
import { Vaults } from './vaults/vaults.ts'

const upkeepEveryMs = 3600_000

export interface VaultContext extends ServiceContext {
  /** Issues the certificate of the key that signs what is released. */
  authority: InstallationAuthority
  platformAccess: PlatformAccess
  /** Request rate of each tenant vault; unlimited by default. */
  rates?: VaultRates
  /** Where keys are created and kept; software by default. */
  keystore?: KeystoreConfiguration | undefined
  /** Keys that sign the list of firmware in the state directory; by default, platform keys are released to any launch. */
  firmwareKeys?: readonly Jwk[]
  /** Whether Azure's shared attestation providers in release policies map to those of this installation. */
  mapsAzureProviders?: boolean
  /** Whether Azure's names of the shared providers are answered now; default: never. */
  answersAzureNames?: () => boolean
}

export interface VaultService extends Service {
  /** Verifies the operation log; `broken` if entries were altered or are missing. */
  verifyOperationLog(): Promise<LogVerdict>
}

/**
 * The key service: `{vault}.vault.strongroom.internal`, and `keyvault.strongroom.internal` for the resource manager,
 * which creates tenants' vaults. The vault `platform` always exists. Its database holds keys and secrets sealed under
 * `context.sealer`, and an operation log that proves edits.
 */
export async function createVaultService(context: VaultContext): Promise<VaultService> {
  const store = await openServiceStore(context, 'vault')
  try {
    return await createVaultServiceOn(store, context)
  } catch (error) {
    await store.close()
    throw error
  }
}

/** The same on an open store; closing the service closes it. */
export async function createVaultServiceOn(store: Store, context: VaultContext): Promise<VaultService> {
  const { clock, authority, wire, installation, verifier, platformAccess } = context
  const logger = context.logger.child({ service: 'vault' })
  const sealer = context.sealer.derive('vault')
  await store.migrate('vault', migrations)
  await store.migrate('vault-keystore', removedKeysMigrations)
  await store.migrate('vault-hsm', hsmMigrations)
  await eraseOnRemoval(store)
  const log = await openOperationLog({ store, sealer, clock })
  const keystore = await openKeystore({ store, sealer, configuration: context.keystore, logger })
  const removed = new RemovedKeys({ store, keystore, logger })
  const signers = { store, sealer, clock, authority }
  const signer = new CertifiedSigner({ ...signers, purpose: releaseSigning })
  const attestationSigner = new CertifiedSigner({ ...signers, purpose: attestationSigning })
  const common = { store, log, clock }

  const vaultRepository = new VaultRepository(store, removed)
  const vaults = new Vaults({ ...common, repository: vaultRepository })
  const hsmRepository = new HsmRepository(store, removed)
  const hsms = new Hsms({ ...common, repository: hsmRepository })
  const access = new VaultAccess({
    platformAccess,
    platformVault: platformVaultOf(installation),
    vaults: vaultRepository,
    hsms: new HsmVaults(hsmRepository),
  })

  const hsmParts = { ...common, repository: hsmRepository, sealer: sealer.derive('managed-hsms'), authority }
  const activation = new Activation(hsmParts)

  const keyRepository = new KeyRepository(store, removed)
  const keyParts = { ...common, repository: keyRepository, keystore, removed }
  const keys = new Keys(keyParts)
  const rotation = new Rotation({ ...keyParts, keys, logger, vault: (name) => access.find(name) })
  const authorities = new Authorities({
    wire,
    clock,
    verifiers: context.verifiers,
    mapsAzureProviders: context.mapsAzureProviders,
    answersAzureNames: context.answersAzureNames,
  })
  const { firmwareKeys, stateDir } = context
  const list =
    firmwareKeys && new SignedFirmwareList({ store, path: join(stateDir, firmwareListFile), keys: firmwareKeys })
  const firmware = list && new VmFirmware({ store, list, log })
  const placements = new KeyPlacements(store)
  const settings = new VmSettings(store)
  const release = new KeyRelease({ ...keyParts, keys, authorities, placements, firmware, settings, signer })

  const secretRepository = new ObjectRepository<SecretVersion, SecretVersionRow>(store, secretRows)
  const secretSealer = sealer.derive('secrets')
  const secrets = new Secrets({ ...common, repository: secretRepository, sealer: secretSealer })
  const certificateRepository = new CertificateRepository(store)
  const pendingCertificates = new PendingCertificates(store)
  const certificates = new Certificates({
    ...common,
    pending: pendingCertificates,
    repository: certificateRepository,
    keyRepository,
    secretRepository,
    secrets,
    keystore,
    logger,
    vault: (name) => access.find(name),
    afterPurge: () => removed.destroy(),
  })
  const backupParts = { store, log, sealer: sealer.derive('backups') }

  const parts = {
    keys,
    keyRepository,
    keyBackups: new Backups<KeyVersion, KeyVersionRow>({
      ...backupParts,
      repository: keyRepository,
      lifecycle: keys,
      form: keyRows,
      kind: 'key',
      entry: keyEntry,
      moved: movedKey(keystore),
      assertRoom: (place, tx) => keys.assertRoom(place, tx),
      domainOf: ({ hsm }) => (hsm ? activation.fingerprint(hsm.name) : Promise.resolve(undefined)),
    }),
    crypto: new CryptoOperations({ keys, keystore, log, clock }),
    rotation,
    authorities,
    attestations: new KeyAttestation({ keystore, signer: attestationSigner, log, clock }),
    release,
    secrets,
    secretRepository,
    certificates,
    certificateRepository,
    pendingCertificates,
    certificateBackups: new CertificateBackups({
      ...backupParts,
      certificates,
      repository: certificateRepository,
      keyRepository,
      secretRepository,
      keyForm: keyRows,
      secretForm: secretRows,
      movedKey: movedKey(keystore),
      movedSecret: (secret, to) => secrets.moved(secret, to),
    }),
    secretBackups: new Backups<SecretVersion, SecretVersionRow>({
      ...backupParts,
      repository: secretRepository,
      lifecycle: secrets,
      form: secretRows,
      kind: 'secret',
      entry: secretEntry,
      moved: (secret, to) => secrets.moved(secret, to),
      domainOf: () => Promise.resolve(undefined),
    }),
    access,
    log,
    refusals: new Refusals(log, clock),
    rates: context.rates && new RateLimits(context.rates, clock),
    verifier,
    controlPlaneObjectId: platformAccess.controlPlaneObjectId,
    tenantId: installation.tenantId,
    logger: context.logger,
  }
  const app = createVaultApp(parts)
  const hsmApp = createHsmApp({
    ...parts,
    hsmRepository,
    roles: new LocalRoles(hsmParts),
    activation,
    fullBackups: new FullBackups({ ...hsmParts, keystore, activation, stateDir: context.stateDir }),
  })
  const managementApp = createManagementApp({
    vaults,
    hsms,
    objects: { keys, rotation, secrets },
    firmware,
    settings,
    log,
    rates: parts.rates,
    verifier,
    controlPlaneObjectId: platformAccess.controlPlaneObjectId,
    tenantId: installation.tenantId,
    logger: context.logger,
  })

  const checkLog = async (): Promise<void> => {
    const verdict = await log.verify()
    if (verdict.broken) logger.error(verdict, 'the operation log was altered outside the service')
  }
  const purge = async (): Promise<void> => {
    const purged = {
      vaults: await vaults.purgeDue(),
      hsms: await hsms.purgeDue(),
      keys: await keys.purgeDue(),
      secrets: await secrets.purgeDue(),
      certificates: await certificates.purgeDue(),
    }
    if (purged.vaults + purged.hsms > 0) await forgetRemoved(store)
    await removed.destroy()
    if (Object.values(purged).some((count) => count > 0)) logger.info(purged, 'what was deleted was purged')
  }
  const rotate = async (): Promise<void> => {
    const rotated = await rotation.rotateDue()
    const renewed = await certificates.renewDue()
    if (rotated + renewed > 0)
      logger.info({ rotated, renewed }, 'keys and certificates were renewed as their policies require')
  }
  let running: Promise<void> = Promise.resolve()
  /** In the background, one after another; failures are logged and retried the next time. */
  const inBackground = (...works: (() => Promise<void>)[]): void => {
    for (const work of works) {
      running = running
        .then(work)
        .catch((error: unknown) => logger.error({ err: error }, 'maintenance of the vault failed'))
    }
  }
  let timer: NodeJS.Timeout | undefined

  return {
    name: 'vault',
    hosts: [
      { matches: (host) => vaultOfHost(host) !== undefined, app },
      { matches: (host) => hsmOfHost(host) !== undefined, app: hsmApp },
      { matches: (host) => host === vaultManagementHost, app: managementApp },
    ],
    start: () => {
      inBackground(() => signer.prepare(), checkLog, purge, rotate)
      timer = setInterval(() => inBackground(purge, rotate), upkeepEveryMs).unref()
      return Promise.resolve()
    },
    close: async () => {
      clearInterval(timer)
      await app.close()
      await hsmApp.close()
      await managementApp.close()
      await running
      keystore.close()
      await store.close()
    },
    verifyOperationLog: () => log.verify(),
  }
}
