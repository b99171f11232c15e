import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** A database as somebody sees it who holds its files or its server's password, and not the installation's key. */
export interface RawDatabase {
  /** `?` marks parameters on both engines. */
  run(sql: string, parameters?: (string | number | null)[]): Promise<Record<string, unknown>[]>
  close(): Promise<void>
}

/** Has the database refuse every row that is put into this table from now on, as a full disk would. What lies there stays. */
export async function refuseInserts(o: { url: string; service: string }, table: string): Promise<void> {
  const raw = await openRaw(o)
  await raw.run(
    o.url.startsWith('sqlite:')
      ? `create trigger refuse_${table} before insert on ${table} begin select raise(abort, 'refused'); end`
      : `alter table ${table} add constraint refuse_${table} check (false) not valid`,
  )
  await raw.close()
}

/** @param o as openStore takes them */
export async function openRaw(o: { url: string; service: string }): Promise<RawDatabase> {
  if (o.url.startsWith('sqlite:')) {
    const database = new DatabaseSync(join(o.url.slice('sqlite:'.length), `${o.service}.db`))
    // Whoever edits is not held up by what rows refer to.
    database.exec('pragma foreign_keys = off; pragma busy_timeout = 5000')
    return {
      run: (sql, parameters = []) => Promise.resolve(database.prepare(sql).all(...parameters)),
      close: () => Promise.resolve(database.close()),
    }
  }
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: o.url })
  await client.connect()
  // Whoever edits is not held up by what rows refer to.
  await client.query('set session_replication_role = replica')
  await client.query(`set search_path to strongroom_${o.service.replaceAll('-', '_')}`)
  return {
    run: async (sql, parameters = []) => {
      let index = 0
      return (
        await client.query(
          sql.replaceAll('?', () => `$${++index}`),
          parameters,
        )
      ).rows as Record<string, unknown>[]
    },
    close: () => client.end(),
  }
}
