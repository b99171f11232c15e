import { randomBytes, randomUUID } from 'node:crypto'
import type { Caller, Clock, Logger, Sealer, Store } from '@strongroom/platform'
import { CryptoOperations } from '../../services/vault/src/keys/crypto-operations.ts'
import { Keys } from '../../services/vault/src/keys/keys.ts'
import { KeyRepository } from '../../services/vault/src/keys/repository.ts'
import { openKeystore } from '../../services/vault/src/open-keystore.ts'
import { openOperationLog } from '../../services/vault/src/log/open.ts'
import type { Vault } from '../../services/vault/src/vaults/vault.ts'

const callers = 16

/**
 * Signs as the vault's route does, in the caller's process: the key's row, its attributes and operations, the
 * signature, and the log entry, which is on the disk before the answer. HTTP and the caller's permission are left out.
 * @param o.sealer as the vault service gets it
 */
export async function openSigning(o: {
  store: Store
  sealer: Sealer
  clock: Clock
  logger: Logger
  vault: Vault
  name: string
}): Promise<(count: number) => Promise<void>> {
  const { store, clock, logger } = o
  const sealer = o.sealer.derive('vault')
  const log = await openOperationLog({ store, sealer, clock })
  const keystore = await openKeystore({ store, sealer, configuration: undefined, logger })
  const keys = new Keys({ store, repository: new KeyRepository(store), keystore, log, clock })
  const crypto = new CryptoOperations({ keys, keystore, log, clock })
  const caller: Caller = { objectId: randomUUID(), appId: 'bench', tenantId: randomUUID(), claims: {} }
  const body = { alg: 'RS256', value: randomBytes(32).toString('base64url') }
  return async (count) => {
    let left = count
    const sign = async (): Promise<void> => {
      while (left-- > 0) await crypto.perform(caller, 'sign', o, undefined, body)
    }
    await Promise.all(Array.from({ length: callers }, sign))
  }
}
