import type { Sealer, Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { Tables } from './migrations.ts'

/**
 * A secret of the service itself, made once and kept sealed. Of several processes that start at once the first one's
 * is kept by all.
 */
export async function keptSecret(o: {
  store: Store
  sealer: Sealer
  name: string
  make: () => Promise<Uint8Array>
}): Promise<Uint8Array> {
  const db = o.store.db as Kysely<Tables>
  const context = `vault-secret/${o.name}`
  const read = async (): Promise<Uint8Array | undefined> => {
    const row = await db.selectFrom('vault_secret').select('sealed').where('name', '=', o.name).executeTakeFirst()
    return row && (await o.sealer.open(Buffer.from(row.sealed, 'base64'), context))
  }
  const kept = await read()
  if (kept) return kept
  const sealed = Buffer.from(await o.sealer.seal(await o.make(), context)).toString('base64')
  await db
    .insertInto('vault_secret')
    .values({ name: o.name, sealed })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  const now = await read()
  if (!now) throw new Error(`the secret ${o.name} was not kept`)
  return now
}
