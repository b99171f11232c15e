/** A shell command over several lines, broken between its words outside quotation marks, so that it can be pasted. */
export function wrappedExample(line: string, width: number): string[] {
  const words = line.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? []
  const lines: string[] = []
  let current = ''
  for (const word of words) {
    // Room for the space and the backslash.
    if (current.trim() !== '' && current.length + 1 + word.length > width - 2) {
      lines.push(`${current} \\`)
      current = `    ${word}`
    } else current = current === '' ? word : `${current} ${word}`
  }
  return [...lines, current]
}
