/** One row of a benchmark. */
export interface Row {
  name: string
  /** Processor time of one operation, in nanoseconds. */
  nanoseconds: number
}

/** The promised ratio and the one reached. */
export interface Goal {
  name: string
  wanted: number
  reached: number
  unit: string
}

/**
 * Processor time of one operation in nanoseconds: other programs cost waiting, not processor time, so the figure holds
 * on a busy machine too. The best of several rounds, because disturbances only add.
 * @param repeat operations per round
 */
export async function measure(repeat: number, operation: () => unknown, rounds = 5): Promise<number> {
  for (let index = 0; index < Math.max(1, repeat / 5); index++) await operation()
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage()
    for (let index = 0; index < repeat; index++) await operation()
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, ((user + system) * 1000) / repeat)
  }
  return best
}

/** Like `measure`, for synchronous operations: no promise is awaited. */
export function measureSync(repeat: number, operation: () => unknown, rounds = 5): number {
  for (let index = 0; index < Math.max(1, repeat / 5); index++) operation()
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) {
    const start = process.cpuUsage()
    for (let index = 0; index < repeat; index++) operation()
    const { user, system } = process.cpuUsage(start)
    best = Math.min(best, ((user + system) * 1000) / repeat)
  }
  return best
}

export function microseconds(nanoseconds: number): string {
  return `${(nanoseconds / 1000).toFixed(nanoseconds < 10_000 ? 2 : 1)} µs`
}

/** Lines of a table with aligned columns. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = []
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length)
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => (index === 0 ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0)))
      .join('  ')
  return rows.map(line).join('\n')
}

export function quantile(values: readonly number[], at: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * at)] ?? Number.NaN
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}
