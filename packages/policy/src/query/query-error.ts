/** A query that cannot be parsed, does not fit the JSON, or exceeds a limit. */
export class QueryError extends Error {
  override readonly name = 'QueryError'
}
