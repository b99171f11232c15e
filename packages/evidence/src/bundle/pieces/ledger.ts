import { equal } from '../../core/bytes/bytes.ts'
import type { HashName } from '../../eventlog/algorithms.ts'
import { statementKinds, type Piece } from './piece.ts'

/** Registers to whose values a log has to replay. */
export interface LogReader {
  bank: HashName
  registers: ReadonlySet<number>
}

/**
 * Which certificates, lists, texts and keys a judgement has used. An unused file must not look judged: an operator who
 * supplies a revocation list wants it applied.
 */
export class Ledger {
  readonly #bytes: Uint8Array[] = []
  readonly #texts = new Set<string>()
  readonly #applied: Uint8Array[] = []
  readonly #logs = new Map<Uint8Array, LogReader[]>()

  use(...items: readonly (Uint8Array | string | undefined)[]): void {
    for (const item of items) {
      if (typeof item === 'string') this.#texts.add(item)
      else if (item !== undefined && !this.#bytes.includes(item)) this.#bytes.push(item)
    }
  }

  /**
   * The one that was picked among several: the revocation list of an issuer, of which `use` takes all, and the public
   * area that a report is compared with, which belongs to its machine only if they agree.
   */
  apply(item: Uint8Array | undefined): void {
    if (item !== undefined) this.#applied.push(item)
  }

  applied(item: Uint8Array): boolean {
    return this.#applied.some((used) => equal(used, item))
  }

  read(log: Uint8Array, reader: LogReader): void {
    this.#logs.set(log, [...this.readersOf(log), reader])
  }

  readersOf(log: Uint8Array): readonly LogReader[] {
    return this.#logs.get(log) ?? []
  }

  /** By content: of two files with the same content, both count as used. */
  has(item: Uint8Array | string): boolean {
    if (typeof item === 'string') return this.#texts.has(item)
    return this.#bytes.some((used) => used === item || equal(used, item))
  }
}

export function isStatement({ kind }: Piece): boolean {
  return statementKinds.includes(kind)
}
