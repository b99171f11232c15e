import { forUpdate, ServiceError, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { Tables } from '../store/tables.ts'
import type { Provider } from './providers.ts'

/**
 * Within the transaction that writes something for a provider: locks the provider's row until the end. Nothing is
 * written for a provider being removed, nor for a later one of the same name, which would be another tenant's.
 * @throws ServiceError ProviderNotFound
 */
export async function requirePresent(store: Store, tx: Kysely<Tables>, provider: Provider): Promise<void> {
  const { host, resourceId, createdAt } = provider
  if (resourceId === undefined) return
  const select = tx.selectFrom('provider').select('created_at').where('host', '=', host)
  const row = await forUpdate(store, select).executeTakeFirst()
  if (row !== undefined && row.created_at === createdAt) return
  throw new ServiceError({
    code: 'ProviderNotFound',
    message: `There is no attestation provider ${host}.`,
    target: 'host',
    expected: createdAt === undefined ? host : `the provider ${host} created at ${createdAt}`,
    found: row === undefined ? 'none: it has been deleted' : `one created at ${row.created_at}`,
    remedy: 'It was deleted: create it again, or use another provider.',
  })
}
