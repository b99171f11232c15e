import type { ManagedIdentityChoice } from '@strongroom/contract'
import { ServiceError, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import type { Principal, Principals } from '../directory/principals.ts'
import { tables, type Tables } from '../directory/store.ts'

/** A resource's user-assigned identities, and which identity it uses for a token. */
export class Assignments {
  readonly #store: Store
  readonly #principals: Principals

  constructor(o: { store: Store; principals: Principals }) {
    this.#store = o.store
    this.#principals = o.principals
  }

  /** Exactly these. Anything that is not a managed identity (any longer) is left out. */
  async set(resourceId: string, clientIds: readonly string[]): Promise<void> {
    const resource_id = resourceId.toLowerCase()
    await this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      await tx.deleteFrom('assignment').where('resource_id', '=', resource_id).execute()
      const wanted = [...new Set(clientIds.map((id) => id.toLowerCase()))]
      if (wanted.length === 0) return
      const known = await tx
        .selectFrom('principal')
        .select('app_id')
        .where('app_id', 'in', wanted)
        .where('kind', '=', 'ManagedIdentity')
        .execute()
      if (known.length > 0)
        await tx
          .insertInto('assignment')
          .values(known.map(({ app_id }) => ({ resource_id, app_id })))
          .execute()
    })
  }

  /**
   * The identity for a token: the named one; else the resource's own; else its only one.
   * @throws ServiceError 400 ManagedIdentityNotFound, ManagedIdentityAmbiguous
   */
  async choose(resourceId: string, choice: ManagedIdentityChoice): Promise<Principal> {
    const own = await this.#principals.managedIdentity(resourceId)
    const assigned = await this.#of(resourceId)
    const { clientId, objectId, identityId } = choice
    if (clientId === undefined && objectId === undefined && identityId === undefined) {
      const only = own ?? assigned[0]
      if (only === undefined) throw managedIdentityNotFound(resourceId)
      if (own === undefined && assigned.length > 1) throw ambiguous(resourceId, assigned.length)
      return only
    }
    const same = (asked: string | undefined, has: string | undefined): boolean =>
      asked === undefined || asked.toLowerCase() === has?.toLowerCase()
    const named = [...(own === undefined ? [] : [own]), ...assigned].find(
      (each) =>
        same(clientId, each.appId) &&
        same(objectId, each.objectId) &&
        (identityId === undefined || (each !== own && same(identityId, each.resourceId))),
    )
    if (named === undefined) throw managedIdentityNotFound(resourceId)
    return named
  }

  async #of(resourceId: string): Promise<Principal[]> {
    const rows = await tables(this.#store)
      .selectFrom('assignment')
      .select('app_id')
      .where('resource_id', '=', resourceId.toLowerCase())
      .orderBy('app_id')
      .execute()
    const found = await Promise.all(rows.map(async ({ app_id }) => await this.#principals.byAppId(app_id)))
    return found.filter((each) => each !== undefined)
  }
}

function managedIdentityNotFound(resourceId: string): ServiceError {
  return new ServiceError({
    code: 'ManagedIdentityNotFound',
    message: 'The resource has no such identity.',
    target: resourceId,
    remedy: 'Assign it a system-assigned identity, or the named user-assigned one.',
  })
}

const ambiguous = (resourceId: string, found: number): ServiceError =>
  new ServiceError({
    code: 'ManagedIdentityAmbiguous',
    message: 'The resource has several user-assigned identities and no system-assigned one.',
    target: resourceId,
    expected: 'the client id, object id or ARM id of one of them',
    found: `${found} identities`,
    remedy: 'Name one of them.',
  })
