import type { ComponentChildren } from 'preact'

export interface Column<Row> {
  name: string
  /** Text that others chose comes in a `bdi`. */
  cell: (row: Row) => ComponentChildren
  /** `head`: what the row is of. `do`: what can be done with it; its heading is heard and not seen. */
  kind?: 'head' | 'number' | 'do'
}

/** A table that scrolls sideways by itself where the page is narrow. */
export function Table<Row>({
  label,
  columns,
  rows,
  keyOf,
}: {
  label: string
  columns: readonly Column<Row>[]
  rows: readonly Row[]
  keyOf: (row: Row, index: number) => string | number
}) {
  return (
    <div class="sheet" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(({ name, kind }) => (
              <th key={name} scope="col">
                {kind === 'do' ? <span class="visually-hidden">{name}</span> : name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={keyOf(row, index)}>
              {columns.map(({ name, cell, kind }) =>
                kind === 'head' ? (
                  <th key={name} scope="row">
                    {cell(row)}
                  </th>
                ) : (
                  <td key={name} class={kind}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
