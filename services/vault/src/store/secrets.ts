import type { Sealer, Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { Tables } from './migrations.ts'

interface Place {
  store: Store
  sealer: Sealer
  name: string
}

/** A secret of the service itself, created once and stored sealed. If several processes start at once, all use the first one's. */
export async function keptSecret(o: Place & { make: () => Promise<Uint8Array> }): Promise<Uint8Array> {
  const kept = await readSecret(o)
  if (kept) return kept
  await (o.store.db as Kysely<Tables>)
    .insertInto('vault_secret')
    .values({ name: o.name, sealed: await sealed(o, await o.make()) })
    .onConflict((conflict) => conflict.column('name').doNothing())
    .execute()
  const now = await readSecret(o)
  if (!now) throw new Error(`the secret ${o.name} was not kept`)
  return now
}

export async function readSecret(o: Place): Promise<Uint8Array | undefined> {
  const row = await (o.store.db as Kysely<Tables>)
    .selectFrom('vault_secret')
    .select('sealed')
    .where('name', '=', o.name)
    .executeTakeFirst()
  return row && (await o.sealer.open(Buffer.from(row.sealed, 'base64'), contextOf(o.name)))
}

/** Stores a value, replacing the earlier one. */
export async function keepSecret(o: Place & { value: Uint8Array }): Promise<void> {
  const text = await sealed(o, o.value)
  await (o.store.db as Kysely<Tables>)
    .insertInto('vault_secret')
    .values({ name: o.name, sealed: text })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ sealed: text }))
    .execute()
}

async function sealed(o: Place, value: Uint8Array): Promise<string> {
  return Buffer.from(await o.sealer.seal(value, contextOf(o.name))).toString('base64')
}

const contextOf = (name: string): string => `vault-secret/${name}`
