import { CompiledQuery, type Compilable, type Kysely } from 'kysely'

/**
 * A query that every attest call makes: its text is put together once, and sent with other values each time. The row is read
 * anew at each call, so that what another process has changed is seen at once.
 * @param values in the order in which they stand in the query
 */
export function repeatedQuery<Row, Schema>(
  db: Kysely<Schema>,
  query: Compilable<Row>,
): (...values: string[]) => Promise<Row | undefined> {
  const { sql } = query.compile()
  return async (...values) => (await db.executeQuery<Row>(CompiledQuery.raw(sql, values))).rows[0]
}
