import { ServiceError, type Clock } from '@strongroom/platform'
import type { ResourceStore } from '../store/resources.ts'
import type { ManagementLockTable } from '../store/tables.ts'
import { covers } from './access.ts'
import { keyOf } from './ids/resource-id.ts'
import type { Method } from './request.ts'

export type LockLevel = 'CanNotDelete' | 'ReadOnly'
export type Lock = ManagementLockTable

/** Locks over scopes: a lock can forbid what a role allows, for everyone. */
export class Locks {
  readonly #resources: ResourceStore
  readonly #clock: Clock

  constructor(resources: ResourceStore, clock: Clock) {
    this.#resources = resources
    this.#clock = clock
  }

  async list(): Promise<Lock[]> {
    return await this.#resources.db.selectFrom('management_lock').selectAll().orderBy('name').execute()
  }

  async find(scope: string, name: string): Promise<Lock | undefined> {
    return await this.#resources.db
      .selectFrom('management_lock')
      .selectAll()
      .where('scope', '=', keyOf(scope))
      .where('name', '=', name.toLowerCase())
      .executeTakeFirst()
  }

  async put(o: {
    scope: string
    name: string
    level: LockLevel
    notes: string
  }): Promise<{ lock: Lock; created: boolean }> {
    const lock: Lock = {
      scope: keyOf(o.scope),
      name: o.name.toLowerCase(),
      display_scope: o.scope,
      display_name: o.name,
      level: o.level,
      notes: o.notes,
      created_at: this.#clock.now().toISOString(),
    }
    const existing = await this.find(o.scope, o.name)
    await this.#resources.db
      .insertInto('management_lock')
      .values(lock)
      .onConflict((conflict) => conflict.columns(['scope', 'name']).doUpdateSet({ level: o.level, notes: o.notes }))
      .execute()
    return { lock: { ...(existing ?? lock), level: o.level, notes: o.notes }, created: existing === undefined }
  }

  async remove(scope: string, name: string): Promise<void> {
    await this.#resources.db
      .deleteFrom('management_lock')
      .where('scope', '=', keyOf(scope))
      .where('name', '=', name.toLowerCase())
      .execute()
  }

  /** @param all the locks, if they are known already @throws ServiceError 409 ScopeLocked */
  async require(o: { method: Method; action: string; path: string }, all?: readonly Lock[]): Promise<void> {
    // A lock blocks everything but its own removal.
    if (o.action.toLowerCase().startsWith('microsoft.authorization/')) return
    const locks = all ?? (await this.list())
    const key = keyOf(o.path)
    const deletes = o.method === 'DELETE'
    const holding = locks.filter((lock) => {
      if (lock.level === 'CanNotDelete' && !deletes) return false
      // Deleting a scope deletes everything under it, including what is locked there.
      return covers(lock.scope, key) || (deletes && covers(key, lock.scope))
    })
    if (holding.length === 0) return
    const scopes = holding.map((lock) => lock.display_scope).join(', ')
    throw new ServiceError({
      code: 'ScopeLocked',
      message:
        `The scope '${o.path}' cannot perform ${deletes ? 'delete' : 'write'} operation because following scope(s) ` +
        `are locked: '${scopes}'. Please remove the lock and try again.`,
      expected: 'no lock at the scope, above it or, for a deletion, below it',
      found: holding.map((lock) => `${lock.display_name} (${lock.level})`).join(', '),
      remedy: 'Delete the lock: az lock delete.',
    })
  }
}
