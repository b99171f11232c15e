/** Most names that are told one by one. */
const most = 100

/** What a shell's clients asked for by the proxy and was answered elsewhere, or nowhere, by name. */
export class PassedNames {
  readonly #counts = new Map<string, number>()
  #others = 0

  add(name: string): void {
    if (this.#counts.size >= most && !this.#counts.has(name)) this.#others += 1
    else this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  /** Names with how often each was asked for; all further ones together, as `…`. */
  list(): Record<string, number> {
    return { ...Object.fromEntries(this.#counts), ...(this.#others > 0 && { '…': this.#others }) }
  }
}
