import { dataRows, tsvOf } from './rows.ts'
import { yamlOf } from './yaml.ts'

export const outputFormats = ['table', 'json', 'jsonc', 'yaml', 'tsv', 'none'] as const
export type OutputFormat = (typeof outputFormats)[number]

/** A result in both forms: data for programs, rows for people. */
export interface Result {
  data: unknown
  /** Column titles and rows; a plain text result has lines instead. */
  table?: { columns: string[]; rows: string[][] }
  lines?: string[]
}

export function renderTable(columns: string[], rows: string[][]): string {
  const widths = columns.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd()
  return [line(columns), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

/** @param o.color whether `jsonc` may use colour */
export function render(result: Result, format: OutputFormat, o: { color?: boolean } = {}): string {
  switch (format) {
    case 'json':
      return jsonOf(result.data)
    case 'jsonc':
      return o.color === true ? coloured(jsonOf(result.data)) : jsonOf(result.data)
    case 'yaml':
      return yamlOf(result.data)
    case 'tsv':
      return result.table === undefined ? tsvOf(dataRows(result.data).rows) : tsvOf(result.table.rows)
    case 'none':
      return ''
    case 'table':
      return forPeople(result)
  }
}

const jsonOf = (data: unknown): string => JSON.stringify(data ?? null, null, 2)

function forPeople(result: Result): string {
  if (result.lines !== undefined) return result.lines.join('\n')
  if (result.table === undefined) return jsonOf(result.data)
  return result.table.rows.length === 0 ? '(none)' : renderTable(result.table.columns, result.table.rows)
}

/** Names blue, texts green, the rest yellow: one token of JSON after the other. */
function coloured(json: string): string {
  const paint = (color: number, text: string): string => `\u001b[${color}m${text}\u001b[0m`
  return json.replaceAll(
    /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d[\d.eE+-]*|\b(?:true|false|null)\b/g,
    (token: string, text?: string, colon?: string) =>
      text === undefined ? paint(33, token) : colon === undefined ? paint(32, text) : `${paint(34, text)}${colon}`,
  )
}
