import { visibleJson, visibleText } from '@strongroom/contract'
import { dataRows, tsvOf } from './rows.ts'
import { yamlOf } from './yaml.ts'

export const outputFormats = ['table', 'json', 'jsonc', 'yaml', 'tsv', 'none'] as const
export type OutputFormat = (typeof outputFormats)[number]

/** A result in both forms: data for programs, rows for people. */
export interface Result {
  data: unknown
  /** Column titles and rows; a plain text result has lines instead: a line end within one is shown as an escape. */
  table?: { columns: string[]; rows: string[][] }
  lines?: string[]
}

/** A line for the titles, one below them, and one for each row. */
export function tableLines(titles: string[], content: string[][]): string[] {
  const shown = (cells: string[]): string[] => cells.map((cell) => visibleText(cell))
  const [columns, rows] = [shown(titles), content.map(shown)]
  const widths = columns.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  )
  const line = (cells: string[]): string =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd()
  return [line(columns), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)]
}

/** @param o.color whether `jsonc` may use colour */
export function render(result: Result, format: OutputFormat, o: { color?: boolean } = {}): string {
  switch (format) {
    case 'json':
      return visibleJson(result.data, 2)
    case 'jsonc':
      return o.color === true ? coloured(visibleJson(result.data, 2)) : visibleJson(result.data, 2)
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

function forPeople({ data, table, lines }: Result): string {
  if (lines !== undefined) return lines.map((line) => visibleText(line, '\t')).join('\n')
  if (table === undefined) return visibleJson(data, 2)
  return table.rows.length === 0 ? '(none)' : tableLines(table.columns, table.rows).join('\n')
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
