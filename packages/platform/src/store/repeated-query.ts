import { setImmediate } from 'node:timers/promises'
import type { Compilable, Kysely } from 'kysely'

/**
 * A frequent query. Kysely compiles its text once instead of per call, which takes longer than the database does.
 * @param query with any values; only its text is used
 * @returns a function that reads the rows, with the values in their order in the text
 */
export function repeatedRows<Row, Schema>(
  db: Kysely<Schema>,
  query: Compilable<Row>,
): (...values: (string | number)[]) => Promise<Row[]> {
  const compiled = query.compile()
  return async (...values) => (await db.executeQuery<Row>({ ...compiled, parameters: values })).rows
}

/**
 * `repeatedRows` for one row.
 * @param query with any values; only its text is used
 * @param o.shared concurrent calls with the same values share one read, which begins after the last of them: so each
 *   sees what another process had changed before it asked
 * @returns a function that reads the first row, with the values in their order in the text
 */
export function repeatedQuery<Row, Schema>(
  db: Kysely<Schema>,
  query: Compilable<Row>,
  o: { shared?: boolean } = {},
): (...values: (string | number)[]) => Promise<Row | undefined> {
  const rows = repeatedRows(db, query)
  const ask = async (values: (string | number)[]): Promise<Row | undefined> => (await rows(...values))[0]
  if (o.shared !== true) return (...values) => ask(values)
  const gathering = new Map<string, Promise<Row | undefined>>()
  return (...values) => {
    const key = JSON.stringify(values)
    let reading = gathering.get(key)
    if (reading === undefined) {
      reading = setImmediate().then(() => {
        gathering.delete(key)
        return ask(values)
      })
      gathering.set(key, reading)
    }
    return reading
  }
}
