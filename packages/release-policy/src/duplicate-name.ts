/**
 * The first member name that stands twice in one object, as a path; undefined where none does. JSON.parse keeps the last
 * of the two silently, so that a reader and a program would understand different documents.
 * @param text JSON that JSON.parse accepts
 */
export function duplicateName(text: string): string | undefined {
  const stack: { names: Set<string> | undefined; step: string }[] = []
  let last = ''
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\]:]/g)) {
    if (token === '{' || token === '[') stack.push({ names: token === '{' ? new Set() : undefined, step: '' })
    else if (token === '}' || token === ']') stack.pop()
    else if (token === ':') {
      const top = stack.at(-1)
      const name = JSON.parse(last) as string
      if (top?.names === undefined) continue
      top.step = `.${name}`
      if (top.names.has(name)) return `$${stack.map(({ step }) => step).join('')}`
      top.names.add(name)
    } else last = token
  }
  return undefined
}
