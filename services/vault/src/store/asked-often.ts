import { CompiledQuery, type Compilable, type Kysely } from 'kysely'

/**
 * A query that every request asks: Kysely puts its text together once, and not as often as it is asked, which takes longer than
 * the database does.
 * @param make the query with any values; only its text is used
 * @returns asks it with the values in the order in which they stand in the text
 */
export function askedOften<Row>(
  make: () => Compilable<Row>,
): (db: Kysely<never>, values: readonly unknown[]) => Promise<Row[]> {
  let text: string | undefined
  return async (db, values) => {
    text ??= make().compile().sql
    return (await db.executeQuery<Row>(CompiledQuery.raw(text, [...values]))).rows
  }
}
