/** A table as CSV (RFC 4180): null is an empty cell, lines end with CR LF. */
export function toCsv(columns: string[], rows: (string | null)[][]): string {
  return [columns, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('')
}

/** Spreadsheets interpret text with this prefix as a formula; owners choose names and tags. */
const formula = /^[=+\-@\t\r](?!\d*\.?\d*$)/

function cell(value: string | null): string {
  const text = formula.test(value ?? '') ? `'${value}` : (value ?? '')
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
