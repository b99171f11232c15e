import { equal } from '../core/bytes/bytes.ts'
import { statementKinds, type Piece } from './piece.ts'

/**
 * What of the certificates, lists, texts and keys a judgement has used. A file that nothing needed must not look as if it had
 * been judged: an operator who gives a revocation list wants it applied.
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

  /** By content: of two files of the same content both are used. */
  has(item: Uint8Array | string): boolean {
    if (typeof item === 'string') return this.#texts.has(item)
    return this.#bytes.some((used) => used === item || equal(used, item))
  }
}

export function isStatement({ kind }: Piece): boolean {
  return statementKinds.includes(kind)
}
