export type OutputFormat = 'json' | 'table'

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

export function render(result: Result, format: OutputFormat): string {
  if (format === 'json') return JSON.stringify(result.data, null, 2)
  if (result.lines !== undefined) return result.lines.join('\n')
  if (result.table !== undefined) {
    if (result.table.rows.length === 0) return '(none)'
    return renderTable(result.table.columns, result.table.rows)
  }
  return JSON.stringify(result.data, null, 2)
}
