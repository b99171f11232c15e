import { setImmediate } from 'node:timers/promises'
import type { Compilable, Kysely } from 'kysely'

/**
 * A query for one row that every request makes. Kysely puts its text together once, and not as often as it is asked, which
 * takes longer than the database does.
 * @param query with any values; only its text is used
 * @param o.shared calls of one moment with the same values share one reading, which begins after the last of them: so each
 *   sees what another process had changed before it asked
 * @returns asks for the first row, with the values in the order in which they stand in the text
 */
export function repeatedQuery<Row, Schema>(
  db: Kysely<Schema>,
  query: Compilable<Row>,
  o: { shared?: boolean } = {},
): (...values: (string | number)[]) => Promise<Row | undefined> {
  const compiled = query.compile()
  const ask = async (values: (string | number)[]): Promise<Row | undefined> =>
    (await db.executeQuery<Row>({ ...compiled, parameters: values })).rows[0]
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
