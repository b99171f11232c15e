import type { Clock, Store } from '@strongroom/platform'
import { tables, type GroupRow, type UserRow } from './store.ts'

export type User = Omit<UserRow, 'enabled'> & { enabled: boolean }
export type Group = GroupRow

/** Entra's limit on groups in a token. */
export const groupsOfToken = 200

/** People and groups, which roles can be assigned to besides service principals. A group's members have the group's rights. */
export class Directory {
  readonly #store: Store
  readonly #clock: Clock
  readonly #newId: () => string

  constructor(o: { store: Store; clock: Clock; newId: () => string }) {
    this.#store = o.store
    this.#clock = o.clock
    this.#newId = o.newId
  }

  async users(): Promise<User[]> {
    const rows = await tables(this.#store).selectFrom('directory_user').selectAll().orderBy('display_name').execute()
    return rows.map(toUser)
  }

  /** By object id or user principal name. */
  async user(name: string): Promise<User | undefined> {
    const query = tables(this.#store).selectFrom('directory_user').selectAll()
    const column = name.includes('@') ? 'user_principal_name' : 'id'
    const row = await query.where(column, '=', name.toLowerCase()).executeTakeFirst()
    return row && toUser(row)
  }

  /** Undefined if someone else has the user principal name. */
  async addUser(o: Omit<User, 'id' | 'created_at'>): Promise<User | undefined> {
    const row: UserRow = {
      id: this.#newId().toLowerCase(),
      user_principal_name: o.user_principal_name.toLowerCase(),
      display_name: o.display_name,
      mail_nickname: o.mail_nickname,
      enabled: o.enabled ? 1 : 0,
      created_at: this.#clock.now().toISOString(),
    }
    const written = await tables(this.#store)
      .insertInto('directory_user')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    return Number(written.numInsertedOrUpdatedRows ?? 0) === 0 ? undefined : toUser(row)
  }

  async renameUser(id: string, display_name: string): Promise<void> {
    await tables(this.#store).updateTable('directory_user').set({ display_name }).where('id', '=', id).execute()
  }

  async removeUser(id: string): Promise<void> {
    await tables(this.#store).deleteFrom('directory_user').where('id', '=', id).execute()
    await this.#leaveAll(id)
  }

  async groups(): Promise<Group[]> {
    return await tables(this.#store).selectFrom('directory_group').selectAll().orderBy('display_name').execute()
  }

  async group(id: string): Promise<Group | undefined> {
    const query = tables(this.#store).selectFrom('directory_group').selectAll()
    return await query.where('id', '=', id.toLowerCase()).executeTakeFirst()
  }

  async addGroup(o: Omit<Group, 'id' | 'created_at'>): Promise<Group> {
    const row: GroupRow = { ...o, id: this.#newId().toLowerCase(), created_at: this.#clock.now().toISOString() }
    await tables(this.#store).insertInto('directory_group').values(row).execute()
    return row
  }

  /** Its memberships end with it, in both directions. */
  async removeGroup(id: string): Promise<void> {
    await tables(this.#store).deleteFrom('group_member').where('group_id', '=', id).execute()
    await tables(this.#store).deleteFrom('directory_group').where('id', '=', id).execute()
    await this.#leaveAll(id)
  }

  async #leaveAll(id: string): Promise<void> {
    await tables(this.#store).deleteFrom('group_member').where('member_id', '=', id).execute()
  }

  /** Object ids of the direct members. */
  async members(groupId: string): Promise<string[]> {
    const query = tables(this.#store).selectFrom('group_member').select('member_id')
    return (await query.where('group_id', '=', groupId).orderBy('member_id').execute()).map((row) => row.member_id)
  }

  /** False if it already is one. */
  async addMember(groupId: string, memberId: string): Promise<boolean> {
    const written = await tables(this.#store)
      .insertInto('group_member')
      .values({ group_id: groupId, member_id: memberId.toLowerCase() })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    return Number(written.numInsertedOrUpdatedRows ?? 0) === 1
  }

  async removeMember(groupId: string, memberId: string): Promise<boolean> {
    const removed = await tables(this.#store)
      .deleteFrom('group_member')
      .where('group_id', '=', groupId)
      .where('member_id', '=', memberId.toLowerCase())
      .executeTakeFirst()
    return Number(removed.numDeletedRows) > 0
  }

  /** Every group of an object, also through other groups. Terminates for groups that contain each other. */
  async groupsOf(objectId: string): Promise<string[]> {
    const found = new Set<string>()
    let frontier = [objectId.toLowerCase()]
    while (frontier.length > 0) {
      const query = tables(this.#store).selectFrom('group_member').select('group_id').distinct()
      const rows = await query.where('member_id', 'in', frontier).execute()
      frontier = rows.map((row) => row.group_id).filter((id) => !found.has(id))
      for (const id of frontier) found.add(id)
    }
    return [...found].toSorted()
  }
}

const toUser = (row: UserRow): User => ({ ...row, enabled: row.enabled === 1 })
