import { jsonLength, ServiceError } from '@strongroom/platform'
import { Fields } from '../../arm/fields.ts'
import { ok, type ArmReply, type ArmRequest } from '../../arm/request.ts'
import { route, signedIn, type Route } from '../../arm/router.ts'
import type { Plane } from '../../types/plane.ts'
import { queryFuel, runQuery } from './evaluate.ts'
import { invalidQuery, parseQuery } from './kql.ts'
import { tableOf } from './tables.ts'
import type { Row } from './values.ts'

const mostRows = 1_000
/** Characters of one page; the next one begins where it would become longer. */
const mostCharacters = 4 * 1024 * 1024

/** Azure Resource Graph: a query over everything the caller may read. */
export function graphRoutes(plane: Plane): Route[] {
  return [
    // A row is shown to callers who may read its resource.
    route.post(
      '/providers/Microsoft.ResourceGraph/resources',
      signedIn,
      async (request) => await answer(plane, request),
    ),
  ]
}

async function answer(plane: Plane, request: ArmRequest): Promise<ArmReply> {
  const fields = new Fields(request.body)
  const text = fields.text('query') ?? ''
  const options = fields.object('options')
  const format = options.oneOf('resultFormat', ['objectArray', 'table']) ?? 'objectArray'
  const top = options.integer('$top', 1, mostRows) ?? mostRows
  const token = options.text('$skipToken')
  const skip = token === undefined ? (options.integer('$skip') ?? 0) : Number(/^rows:(\d{1,9})$/.exec(token)?.[1] ?? -1)
  const subscriptions = fields.texts('subscriptions', 1_000)
  fields.assertSound()
  if (skip < 0) {
    const expected = 'the token from the previous page'
    throw invalidQuery('The $skipToken was not issued by this installation.', expected, token ?? '')
  }
  const query = parseQuery(text)
  const here = subscriptions.length === 0 || subscriptions.some((each) => each.toLowerCase() === plane.subscriptionId)
  const table = here ? await tableOf(plane, request, query.table) : []
  const rows = await runQuery(query, table, queryFuel(table.length, request.isAbandoned))
  const page = pageOf(rows, skip, top)
  const next = skip + page.length
  return ok({
    totalRecords: rows.length,
    count: page.length,
    data: format === 'table' ? asTable(page) : page,
    facets: [],
    resultTruncated: 'false',
    ...(next < rows.length && { $skipToken: `rows:${next}` }),
  })
}

/** As many rows as an answer may hold. @throws ServiceError ResponsePayloadTooLarge if not even one */
function pageOf(rows: Row[], skip: number, top: number): Row[] {
  const page: Row[] = []
  let length = 0
  for (const row of rows.slice(skip, skip + top)) {
    length += jsonLength(row, mostCharacters)
    if (length > mostCharacters) break
    page.push(row)
  }
  if (page.length > 0 || skip >= rows.length || top === 0) return page
  throw new ServiceError({
    code: 'ResponsePayloadTooLarge',
    message: 'A row of the result is too large to be returned.',
    expected: `at most ${mostCharacters} characters`,
    remedy: 'Project fewer columns, or take members of them.',
  })
}

function asTable(rows: Row[]): { columns: { name: string; type: string }[]; rows: unknown[][] } {
  const names = Object.keys(rows[0] ?? {})
  return {
    columns: names.map((name) => ({ name, type: typeName(rows[0]?.[name]) })),
    rows: rows.map((row) => names.map((name) => row[name] ?? null)),
  }
}

const typeName = (value: unknown): string => {
  if (typeof value === 'number') return 'integer'
  return typeof value === 'boolean' || typeof value === 'object' ? typeof value : 'string'
}
