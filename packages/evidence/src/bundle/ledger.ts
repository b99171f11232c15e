import { equal } from '../core/bytes/bytes.ts'
import { statementKinds, type Piece } from './piece.ts'

/**
 * Which certificates, lists, texts and keys a judgement has used. An unused file must not look judged: an operator who
 * supplies a revocation list wants it applied.
 */
export class Ledger {
  readonly #bytes: Uint8Array[] = []
  readonly #texts = new Set<string>()

  use(...items: readonly (Uint8Array | string | undefined)[]): void {
    for (const item of items) {
      if (typeof item === 'string') this.#texts.add(item)
      else if (item !== undefined && !this.#bytes.includes(item)) this.#bytes.push(item)
    }
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
