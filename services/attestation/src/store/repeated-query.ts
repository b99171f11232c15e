import { setImmediate } from 'node:timers/promises'
import { CompiledQuery, type Compilable, type Kysely } from 'kysely'

/**
 * A query that every attest call makes. Its text is put together once, and calls of one moment with the same values share one
 * reading, which begins after the last of them: so each sees what another process had changed before it asked.
 * @param values in the order in which they stand in the query
 */
export function repeatedQuery<Row, Schema>(
  db: Kysely<Schema>,
  query: Compilable<Row>,
): (...values: string[]) => Promise<Row | undefined> {
  const { sql } = query.compile()
  const gathering = new Map<string, Promise<Row | undefined>>()
  return (...values) => {
    const key = values.join('\n')
    let reading = gathering.get(key)
    if (reading === undefined) {
      reading = setImmediate().then(async () => {
        gathering.delete(key)
        return (await db.executeQuery<Row>(CompiledQuery.raw(sql, values))).rows[0]
      })
      gathering.set(key, reading)
    }
    return reading
  }
}
