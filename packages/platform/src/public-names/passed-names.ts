/** Maximum names counted individually. */
const most = 100

/** Names that a shell's clients requested through the proxy and that were answered elsewhere, or nowhere. */
export class PassedNames {
  readonly #counts = new Map<string, number>()
  #others = 0

  add(name: string): void {
    if (this.#counts.size >= most && !this.#counts.has(name)) this.#others += 1
    else this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  /** Names with their number of requests; all further ones together, as `…`. */
  list(): Record<string, number> {
    return { ...Object.fromEntries(this.#counts), ...(this.#others > 0 && { '…': this.#others }) }
  }
}
