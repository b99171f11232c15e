import type { Store } from '@strongroom/platform'
import { testSealer } from '@strongroom/platform/testing'
import { operationMigrations } from '../../../packages/platform/src/operations/records.ts'
import { migrations as attestation } from '../../../services/attestation/src/store/migrations.ts'
import { migrations as controlPlane } from '../../../services/control-plane/src/store/migrations.ts'
import { InstanceStore } from '../../../services/host/src/records/instance-store.ts'
import { SimulatedBootStore } from '../../../services/host/src/simulated/boot-store.ts'
import { migrations as identity } from '../../../services/identity/src/directory/store.ts'
import { hsmMigrations } from '../../../services/vault/src/hsm/tables.ts'
import { removedKeysMigrations } from '../../../services/vault/src/keys/removed-keys.ts'
import { logMigrations } from '../../../services/vault/src/log/tables.ts'
import { migrations as vault } from '../../../services/vault/src/store/migrations.ts'

/** Creates each store's tables as its service does. */
export const everyStore: Record<string, (store: Store) => Promise<void>> = {
  identity: async (store) => await store.migrate('identity', identity),
  attestation: async (store) => await store.migrate('attestation', attestation),
  vault: async (store) => {
    await store.migrate('vault', vault)
    await store.migrate('vault-keystore', removedKeysMigrations)
    await store.migrate('vault-hsm', hsmMigrations)
    await store.migrate('vault-log', logMigrations)
  },
  host: async (store) => {
    await InstanceStore.open(store, testSealer)
    await SimulatedBootStore.open(store)
  },
  control_plane: async (store) => {
    await store.migrate('control-plane', controlPlane)
    await store.migrate('operations', operationMigrations)
  },
}
