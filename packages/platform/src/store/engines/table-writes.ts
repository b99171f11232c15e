/** Statements that write no table. */
const writesNothing = /^\s*(?:select|begin|commit|rollback|savepoint|release|pragma)\b/i
const writesOne =
  /^\s*(?:insert(?:\s+or\s+\w+)?\s+into|replace\s+into|update(?:\s+or\s+\w+)?|delete\s+from)\s+"?(\w+)\b"?(?!\s*\.)/i

/** Counts, per table, one connection's statements that may have written it, by the statement's text. */
export class TableWrites {
  readonly #counts = new Map<string, number>()
  /** Statements that may have written any table: unrecognised ones count for all. */
  #any = 0

  /** @returns a function that counts one execution; undefined for a statement that writes nothing */
  counter(text: string): (() => void) | undefined {
    if (writesNothing.test(text)) return undefined
    const table = writesOne.exec(text)?.[1]?.toLowerCase()
    if (table === undefined) return () => void this.#any++
    return () => void this.#counts.set(table, (this.#counts.get(table) ?? 0) + 1)
  }

  of(tables: readonly string[]): number {
    let sum = this.#any
    for (const table of tables) sum += this.#counts.get(table.toLowerCase()) ?? 0
    return sum
  }
}
