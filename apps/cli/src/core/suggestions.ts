const suggested = /^(error: unknown (?:command|option) '-{0,2}(.*)')\n\(Did you mean (?:one of )?(.+)\?\)$/m

/** Edits that turn one word into the other: a letter more, less or other, or two swapped (optimal string alignment). */
function distance(from: string, to: string): number {
  let before: number[] = []
  let above = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const line = [row]
    for (let column = 1; column <= to.length; column++) {
      const isSame = from[row - 1] === to[column - 1]
      const isSwapped = row > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1]
      line[column] = Math.min(
        above[column]! + 1,
        line[column - 1]! + 1,
        above[column - 1]! + (isSame ? 0 : 1),
        isSwapped ? before[column - 2]! + 1 : Infinity,
      )
    }
    ;[before, above] = [above, line]
  }
  return above[to.length]!
}

/** One edit for each three letters, at least one: `decision` is no typing error of `version`. */
const isClose = (word: string, other: string): boolean =>
  distance(word, other) <= Math.max(1, Math.floor(word.length / 3))

/** An error of commander's, which suggests words that differ in up to half of their letters: only the close ones remain. */
export function closeSuggestions(text: string): string {
  return text.replace(suggested, (_all, error: string, word: string, listed: string) => {
    const close = listed.split(', ').filter((each) => isClose(word, each.replace(/^--/, '')))
    if (close.length === 0) return error
    return `${error}\n(Did you mean ${close.length === 1 ? close[0] : `one of ${close.join(', ')}`}?)`
  })
}
