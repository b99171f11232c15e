import { sql, type SelectQueryBuilder } from 'kysely'
import type { Database } from './store-types.ts'

/**
 * Number of rows of a query, counted by the engine: no row is read, so none is verified, and the cost does not depend
 * on their content. The store's seal ensures that no row was added or removed (docs/explanation/stores.md). For limits, never for
 * rights.
 */
export async function countOf<Tables, Table extends keyof Tables>(
  db: Database,
  rows: SelectQueryBuilder<Tables, Table, object>,
): Promise<number> {
  const count = rows.select((of) => of.fn.countAll().as('rows'))
  const found = await db.selectNoFrom(sql<number | string>`(${count})`.as('rows')).executeTakeFirstOrThrow()
  return Number(found.rows)
}
