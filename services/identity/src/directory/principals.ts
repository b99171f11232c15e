import { timingSafeEqual } from 'node:crypto'
import type { Clock, Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import { createSecret, hashSecret, isSlow, matchesSecret } from './secret.ts'
import { tables, type PrincipalRow, type Tables } from './store.ts'

export interface Principal {
  objectId: string
  appId: string
  displayName: string
  /** ARM id, of managed identities only. */
  resourceId?: string
}

/** Maximum secret length; scrypt would accept any. */
export const secretLimit = 512

/** The installation's service principals. Secrets of the platform's own principals are only in memory; others' are stored as hashes. */
export class Principals {
  readonly #store: Store
  readonly #clock: Clock
  readonly #newId: () => string
  readonly #inMemory = new Map<string, string>()
  /** Authentication takes as long for an unknown application as for a known one, so that timing does not reveal which exist. */
  readonly #decoy: Promise<string> = hashSecret(createSecret())

  constructor(o: { store: Store; clock: Clock; newId: () => string }) {
    this.#store = o.store
    this.#clock = o.clock
    this.#newId = o.newId
  }

  async byAppId(appId: string): Promise<Principal | undefined> {
    return find(tables(this.#store), 'app_id', appId.toLowerCase())
  }

  async byObjectId(objectId: string): Promise<Principal | undefined> {
    return find(tables(this.#store), 'object_id', objectId.toLowerCase())
  }

  /** All of them, by display name. */
  async list(): Promise<Principal[]> {
    const rows = await tables(this.#store).selectFrom('principal').selectAll().orderBy('display_name').execute()
    return rows.map(toPrincipal)
  }

  /** Creates or renames it; its object id stays. */
  async set(o: { appId: string; displayName: string; resourceId?: string }): Promise<Principal> {
    const appId = o.appId.toLowerCase()
    const row: PrincipalRow = {
      app_id: appId,
      object_id: this.#newId(),
      display_name: o.displayName,
      kind: o.resourceId === undefined ? 'Application' : 'ManagedIdentity',
      resource_id: o.resourceId?.toLowerCase() ?? null,
      created_at: this.#clock.now().toISOString(),
    }
    await tables(this.#store)
      .insertInto('principal')
      .values(row)
      .onConflict((conflict) => conflict.column('app_id').doUpdateSet({ display_name: o.displayName }))
      .execute()
    const kept = await this.byAppId(appId)
    if (!kept) throw new TypeError(`the principal ${appId} was not kept`)
    return kept
  }

  /** The secret is valid until this process ends, and is never written. */
  setInMemorySecret(appId: string, secret: string): void {
    this.#inMemory.set(appId.toLowerCase(), secret)
  }

  /** Creates a secret, stores its hash, and returns it this once; `replace` invalidates the earlier ones. */
  async addSecret(appId: string, o: { replace?: boolean } = {}): Promise<string> {
    const secret = createSecret()
    const hash = await hashSecret(secret)
    await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      const id = appId.toLowerCase()
      if (o.replace) await tx.deleteFrom('secret').where('app_id', '=', id).execute()
      const created_at = this.#clock.now().toISOString()
      await tx.insertInto('secret').values({ id: this.#newId(), app_id: id, hash, created_at }).execute()
    })
    return secret
  }

  async hasSecret(appId: string): Promise<boolean> {
    const query = tables(this.#store).selectFrom('secret').select('id').where('app_id', '=', appId.toLowerCase())
    return (await query.executeTakeFirst()) !== undefined
  }

  /** The principal, if this is one of its secrets. */
  async authenticate(appId: string, secret: string): Promise<Principal | 'UnknownApplication' | 'WrongSecret'> {
    const id = appId.toLowerCase()
    const [principal, rows] = await Promise.all([
      this.byAppId(id),
      tables(this.#store).selectFrom('secret').select(['id', 'hash']).where('app_id', '=', id).execute(),
    ])
    const hashes = rows.map((row) => row.hash)
    const inMemory = this.#inMemory.get(id)
    if (principal && inMemory !== undefined && (await sameText(inMemory, secret))) return principal
    if (hashes.length === 0) hashes.push(await this.#decoy)
    const matches = await Promise.all(hashes.map((hash) => matchesSecret(secret.slice(0, secretLimit), hash)))
    if (!principal) return 'UnknownApplication'
    const old = rows.find(({ hash }, index) => matches[index] === true && isSlow(hash))
    if (old !== undefined) await this.#renewHash(old.id, secret)
    return matches.includes(true) && secret.length <= secretLimit ? principal : 'WrongSecret'
  }

  async #renewHash(id: string, secret: string): Promise<void> {
    const hash = await hashSecret(secret)
    await tables(this.#store).updateTable('secret').set({ hash }).where('id', '=', id).execute()
  }

  /** Ids and times; the secrets themselves are hashed. */
  async secrets(appId: string): Promise<{ id: string; created_at: string }[]> {
    const query = tables(this.#store).selectFrom('secret').select(['id', 'created_at'])
    return await query.where('app_id', '=', appId.toLowerCase()).orderBy('created_at').execute()
  }

  async removeSecret(appId: string, id: string): Promise<void> {
    const query = tables(this.#store).deleteFrom('secret').where('app_id', '=', appId.toLowerCase())
    await query.where('id', '=', id).execute()
  }

  /** With all its credentials. */
  async remove(appId: string): Promise<void> {
    await tables(this.#store).deleteFrom('principal').where('app_id', '=', appId.toLowerCase()).execute()
  }

  async managedIdentity(resourceId: string): Promise<Principal | undefined> {
    return find(tables(this.#store), 'resource_id', resourceId.toLowerCase())
  }

  /** A resource's system-assigned identity, created if missing. */
  async ensureManagedIdentity(resourceId: string, displayName: string): Promise<Principal> {
    const row: PrincipalRow = {
      app_id: this.#newId(),
      object_id: this.#newId(),
      display_name: displayName,
      kind: 'ManagedIdentity',
      resource_id: resourceId.toLowerCase(),
      created_at: this.#clock.now().toISOString(),
    }
    await tables(this.#store)
      .insertInto('principal')
      .values(row)
      .onConflict((conflict) => conflict.column('resource_id').doNothing())
      .execute()
    const kept = await this.managedIdentity(resourceId)
    if (!kept) throw new TypeError(`the identity of ${resourceId} was not kept`)
    return kept
  }

  async removeManagedIdentity(resourceId: string): Promise<void> {
    await tables(this.#store).deleteFrom('principal').where('resource_id', '=', resourceId.toLowerCase()).execute()
  }
}

async function find(
  db: Kysely<Tables>,
  column: 'app_id' | 'object_id' | 'resource_id',
  value: string,
): Promise<Principal | undefined> {
  const row = await db.selectFrom('principal').selectAll().where(column, '=', value).executeTakeFirst()
  return row && toPrincipal(row)
}

function toPrincipal(row: PrincipalRow): Principal {
  return {
    objectId: row.object_id,
    appId: row.app_id,
    displayName: row.display_name,
    ...(row.resource_id !== null && { resourceId: row.resource_id }),
  }
}

/** In time independent of the texts: their digests are compared. */
async function sameText(a: string, b: string): Promise<boolean> {
  const [first, second] = await Promise.all(
    [a, b].map((text) => crypto.subtle.digest('SHA-256', Buffer.from(text, 'utf8'))),
  )
  return first !== undefined && second !== undefined && timingSafeEqual(Buffer.from(first), Buffer.from(second))
}
