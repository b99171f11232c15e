/** A query that cannot be read, that does not fit the JSON, or that asks for more than a query may. */
export class QueryError extends Error {
  override readonly name = 'QueryError'
}
