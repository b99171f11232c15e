/** As much as one turn of the event loop parses, in the units of `jsonWeights`. */
export const mostJsonValues: number = 240_000

/** What the sign of a value takes to parse: five times as long for a list, an object or a member as for one more value. */
export const jsonWeights: ReadonlyMap<string, number> = new Map([
  ['{', 5],
  ['[', 5],
  [':', 5],
  [',', 1],
])

/** What a body may have, for errors. */
export const allowedJsonValues = `at most ${mostJsonValues} values, of which lists, objects and members count five times`

/**
 * Counts the values of a JSON text and stops once there are more than `most`. A body of empty objects takes a thread
 * fifty times as long to parse as a text of the same length (attack W55).
 */
export function countJsonValues(text: string, most: number = mostJsonValues): number {
  let count = 0
  for (let at = 0; at < text.length && count <= most; at++) {
    if (text[at] === '"') at = endOfText(text, at)
    else count += jsonWeights.get(text[at]!) ?? 0
  }
  return count
}

/** Index of the quotation mark that closes the text; an unterminated one extends to the end. */
function endOfText(text: string, begin: number): number {
  for (let at = begin + 1; ; at++) {
    at = text.indexOf('"', at)
    if (at === -1) return text.length
    let escapes = 0
    while (text[at - 1 - escapes] === '\\') escapes += 1
    if (escapes % 2 === 0) return at
  }
}
