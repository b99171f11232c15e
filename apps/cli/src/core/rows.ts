import { visibleText } from '@strongroom/contract'

const scalar = (value: unknown): string => {
  if (value === null || value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** A query's result as a table: a line per item, a column per member. */
export function dataRows(data: unknown): { columns: string[]; rows: string[][] } {
  const items = Array.isArray(data) ? data : [data]
  if (items.every((item) => Array.isArray(item))) {
    const width = Math.max(0, ...items.map(({ length }) => length))
    const columns = Array.from({ length: width }, (_, index) => `Column${index + 1}`)
    return { columns, rows: items.map((item) => item.map(scalar)) }
  }
  if (items.every((item) => typeof item === 'object' && item !== null && !Array.isArray(item))) {
    const columns = [...new Set(items.flatMap((item) => Object.keys(item as object)))]
    return {
      columns,
      rows: items.map((item) => columns.map((name) => scalar((item as Record<string, unknown>)[name]))),
    }
  }
  return { columns: ['Result'], rows: items.map((item) => [scalar(item)]) }
}

/** Tab-separated cells; characters that would end a cell or line become spaces. */
export const tsvOf = (rows: string[][]): string =>
  rows.map((cells) => cells.map((cell) => visibleText(cell.replaceAll(/[\t\r\n]/g, ' '))).join('\t')).join('\n')
