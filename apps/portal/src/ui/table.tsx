import type { ComponentChildren } from 'preact'

export interface Column<Row> {
  name: string
  /** Text chosen by others is in a `bdi`. */
  cell: (row: Row) => ComponentChildren
  /** `head`: the row's subject. `do`: its actions; the heading is only for screen readers. */
  kind?: 'head' | 'number' | 'do'
}

/** A table that scrolls sideways on narrow pages. */
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
