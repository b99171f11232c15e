/**
 * The first duplicate member name in an object, as a path; undefined if there is none. JSON.parse silently keeps the
 * last one, so a reader and a program could understand different documents.
 * @param text JSON that JSON.parse accepts
 * @example
 * import { duplicateName } from '@strongroom/release-policy'
 *
 * // JSON.parse would silently use the second.
 * duplicateName('{"anyOf":[{"authority":"https://a.example","authority":"https://b.example"}]}') // => '$.anyOf.authority'
 * duplicateName('{"anyOf":[]}') // => undefined
 */
export function duplicateName(text: string): string | undefined {
  const stack: { names: Set<string> | undefined; step: string }[] = []
  let last = ''
  for (let at = 0; at < text.length; at++) {
    const character = text[at]
    if (character === '"') {
      const begin = at
      at = closingQuote(text, at)
      last = text.slice(begin, at + 1)
    } else if (character === '{') stack.push({ names: new Set(), step: '' })
    else if (character === '[') stack.push({ names: undefined, step: '' })
    else if (character === '}' || character === ']') stack.pop()
    else if (character === ':') {
      const top = stack.at(-1)
      if (top?.names === undefined) continue
      const name = JSON.parse(last) as string
      top.step = `.${name}`
      if (top.names.has(name)) return `$${stack.map(({ step }) => step).join('')}`
      top.names.add(name)
    }
  }
  return undefined
}

/** End of the string that begins here: the first quote preceded by an even number of backslashes. */
function closingQuote(text: string, opening: number): number {
  for (let at = text.indexOf('"', opening + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0
    while (text[at - 1 - slashes] === '\\') slashes++
    if (slashes % 2 === 0) return at
  }
  return text.length
}
