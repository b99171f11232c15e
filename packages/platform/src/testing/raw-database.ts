import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** A database as seen by someone with its files or its server's password, but without the installation's key. */
export interface RawDatabase {
  /** `?` marks parameters on both engines. */
  run(sql: string, parameters?: (string | number | null)[]): Promise<Record<string, unknown>[]>
  close(): Promise<void>
}

/** Makes the database refuse every new row in this table, like a full disk. Existing rows stay. */
export async function refuseInserts(o: { url: string; service: string }, table: string): Promise<void> {
  const raw = await openRaw(o)
  await raw.run(
    o.url.startsWith('sqlite:')
      ? `create trigger refuse_${table} before insert on ${table} begin select raise(abort, 'refused'); end`
      : `alter table ${table} add constraint refuse_${table} check (false) not valid`,
  )
  await raw.close()
}

/** @param o like openStore's */
export async function openRaw(o: { url: string; service: string }): Promise<RawDatabase> {
  if (o.url.startsWith('sqlite:')) {
    const database = new DatabaseSync(join(o.url.slice('sqlite:'.length), `${o.service}.db`))
    // Constraints between rows do not stop someone who edits.
    database.exec('pragma foreign_keys = off; pragma busy_timeout = 5000')
    return {
      run: (sql, parameters = []) => Promise.resolve(database.prepare(sql).all(...parameters)),
      close: () => Promise.resolve(database.close()),
    }
  }
  const { default: pg } = await import('pg')
  const client = new pg.Client({ connectionString: o.url })
  await client.connect()
  // Constraints between rows do not stop someone who edits.
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

/** Rows of each table, by its name; those of the store itself too. */
export async function rowCounts(o: { url: string; service: string }): Promise<Map<string, number>> {
  const raw = await openRaw(o)
  const tables = await raw.run(
    o.url.startsWith('sqlite:')
      ? `select name from sqlite_master where type = 'table'`
      : 'select tablename as name from pg_tables where schemaname = current_schema()',
  )
  const counts = new Map<string, number>()
  for (const { name } of tables) {
    const [row] = await raw.run(`select count(*) as n from "${String(name)}"`)
    counts.set(String(name), Number(row?.['n']))
  }
  await raw.close()
  return counts
}
