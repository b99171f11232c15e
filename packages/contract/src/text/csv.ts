import { visibleText } from './visible-text.ts'

/** Spreadsheets interpret text with this prefix as a formula; owners choose names and tags. */
const formula = /^[=+\-@](?!\d*\.?\d*$)/

/** A table as CSV (RFC 4180): null is an empty cell, lines end with CR LF. A row is one line, whatever its cells hold. */
export function csvOf(columns: readonly string[], rows: readonly (readonly (string | number | null)[])[]): string {
  return [columns, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('')
}

function cell(value: string | number | null): string {
  const shown = visibleText(String(value ?? ''))
  const text = formula.test(shown) ? `'${shown}` : shown
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
