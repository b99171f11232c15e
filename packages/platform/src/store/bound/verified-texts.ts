/** Of one table. */
const maximumCharacters = 4 * 1024 * 1024

/**
 * Rows of one table already verified, by authentication code: the same code over the same text needs no second
 * computation. A row that differs in anything is another text, and is computed.
 */
export class VerifiedTexts {
  readonly #texts = new Map<string, string>()
  readonly #limit: number
  #characters = 0

  /** @param limit characters kept; the oldest rows are evicted first */
  constructor(limit: number = maximumCharacters) {
    this.#limit = limit
  }

  /** @param text the row in authenticated form */
  has(code: string, text: string): boolean {
    return this.#texts.get(code) === text
  }

  add(code: string, text: string): void {
    if (text.length > this.#limit) return
    this.#characters += text.length - (this.#texts.get(code)?.length ?? 0)
    this.#texts.set(code, text)
    for (const [oldest, { length }] of this.#texts) {
      if (this.#characters <= this.#limit) return
      this.#texts.delete(oldest)
      this.#characters -= length
    }
  }

  get characters(): number {
    return this.#characters
  }
}
