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
