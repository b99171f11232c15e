/**
 * Whether a text matches a pattern in which `*` is any number of characters. It tries again from the last star only, so
 * that no pattern takes longer than its length times the text's.
 * @param one represents any single character; none by default
 */
export function matchesWildcards(pattern: string, text: string, one?: string): boolean {
  let at = 0
  let next = 0
  let star = -1
  let resume = 0
  while (at < text.length) {
    if (pattern[next] === '*') {
      star = next++
      resume = at
    } else if (next < pattern.length && (pattern[next] === one || pattern[next] === text[at])) {
      at += 1
      next += 1
    } else if (star >= 0) {
      next = star + 1
      at = ++resume
    } else return false
  }
  while (pattern[next] === '*') next += 1
  return next === pattern.length
}
