import { CompiledQuery } from 'kysely'
import type { Store } from '../store-types.ts'
import type { Row } from './bound-table.ts'
import type { Run } from './shapes.ts'

/** SQL with `?` on a connection or a transaction of either engine. */
export function runOn(
  engine: Store['engine'],
  on: { executeQuery(query: CompiledQuery): Promise<{ rows: unknown[] }> },
): Run {
  return async (sql, parameters = []) => {
    let index = 0
    const text = engine === 'sqlite' ? sql : sql.replaceAll('?', () => `$${++index}`)
    return (await on.executeQuery(CompiledQuery.raw(text, [...parameters]))).rows as Row[]
  }
}
