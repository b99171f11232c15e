import type { CostRow } from './cost.ts'

const height = 120
const colours = ['var(--accent)', 'var(--warn)', 'var(--good)', 'var(--bad)', 'var(--quiet)', 'var(--line-strong)']

/** Bars by day, split by meter. The table beside it has the same numbers, for those who see no bars. */
export function DayChart({ rows, of }: { rows: readonly CostRow[]; of: 'cost' | 'hours' }) {
  const days = [...new Set(rows.map(({ day }) => day))].toSorted()
  const meters = [...new Set(rows.map(({ keys }) => keys[0] ?? ''))].toSorted()
  const totalOf = (day: string): number => rows.filter((row) => row.day === day).reduce((sum, row) => sum + row[of], 0)
  const most = Math.max(...days.map(totalOf), 0)
  if (most === 0) return null
  const width = 100 / Math.max(days.length, 31)
  return (
    <figure class="chart">
      <svg viewBox={`0 0 100 ${height}`} preserveAspectRatio="none" aria-hidden="true">
        {days.flatMap((day, column) => {
          let top = height
          return meters.map((meter, index) => {
            const row = rows.find((each) => each.day === day && each.keys[0] === meter)
            const tall = ((row?.[of] ?? 0) / most) * (height - 4)
            top -= tall
            return (
              <rect
                key={`${day} ${meter}`}
                x={column * width}
                y={top}
                width={width * 0.8}
                height={tall}
                fill={colours[index % colours.length]}
              />
            )
          })
        })}
      </svg>
      <figcaption class="quiet">
        {days[0]} to {days.at(-1)}:{' '}
        {meters.map((meter, index) => (
          <span key={meter} class="key">
            <svg width="10" height="10" aria-hidden="true">
              <rect width="10" height="10" fill={colours[index % colours.length]} />
            </svg>{' '}
            {meter}{' '}
          </span>
        ))}
      </figcaption>
    </figure>
  )
}
