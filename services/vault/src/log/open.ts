import type { Clock, Sealer, Store } from '@strongroom/platform'
import { keptSecret } from '../store/secrets.ts'
import { newLogKey, openLogKey } from './log-key.ts'
import { OperationLog } from './operation-log.ts'
import { logMigrations } from './tables.ts'

/** A store's operation log; creates missing tables and the signing key (sealed in the store). */
export async function openOperationLog(o: { store: Store; sealer: Sealer; clock: Clock }): Promise<OperationLog> {
  const { store, sealer, clock } = o
  await store.migrate('vault-log', logMigrations)
  const pkcs8 = await keptSecret({ store, sealer, name: 'operation-log-signing-key', make: newLogKey })
  return new OperationLog({ store, clock, key: openLogKey(pkcs8) })
}
