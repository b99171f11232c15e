import { searchJson } from '@strongroom/policy'
import { CliError, exitCodes } from './cli-error.ts'
import type { Result } from './output.ts'
import { dataRows } from './rows.ts'

/** Applies a JMESPath expression to a result, like az's `--query`. @throws CliError InvalidArgument */
export function queried(result: Result, expression: string): Result {
  let data: unknown
  try {
    // The query sees what programs see: no members that JSON omits.
    const document = JSON.parse(JSON.stringify(result.data ?? null)) as unknown
    data = JSON.parse(searchJson(expression, document, () => {}))
  } catch (cause) {
    throw new CliError({
      code: 'InvalidArgument',
      message: '--query is not a JMESPath expression.',
      expected: "for example [].name, or [?properties.provisioningState=='Failed'].{name: name, id: id}",
      found: `${expression.slice(0, 200)}: ${cause instanceof Error ? cause.message : 'not understood'}`,
      remedy: 'https://jmespath.org describes the language; see the data with -o json.',
      exitCode: exitCodes.usage,
      cause,
    })
  }
  const { columns, rows } = dataRows(data)
  return data === null ? { data, lines: [''] } : { data, table: { columns, rows } }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Members of a result or, in a list, of its items, as JSON has them. */
const membersOf = (data: unknown): string[] => [
  ...new Set([data].flat().flatMap((item) => (isObject(item) ? Object.keys(item) : []))),
]

const isNothing = (value: unknown): boolean => value === null || (Array.isArray(value) && value.length === 0)

/**
 * What a person should know of a query that selected nothing, or nothing for a column: often it names the table's columns.
 * There is none where there was nothing to select from.
 */
export function queryNotice(result: Result, selected: Result, expression: string): string | undefined {
  const members = membersOf(JSON.parse(JSON.stringify(result.data ?? null)))
  if (members.length === 0) return undefined
  const items = [selected.data].flat().filter(isObject)
  const empty = membersOf(items).filter((name) => items.every((item) => isNothing(item[name])))
  if (!isNothing(selected.data) && empty.length === 0) return undefined
  const what = isNothing(selected.data) ? 'nothing' : `nothing for ${empty.join(', ')}`
  return `--query ${expression} selects ${what}. It reads what -o json prints, whose members are: ${members.join(', ')}`
}
