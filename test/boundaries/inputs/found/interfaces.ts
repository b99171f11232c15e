const opening = '{([<'
const closing = '})]>'

/** Pieces between line ends and semicolons outside brackets. */
function pieces(body: string): string[] {
  const found = ['']
  let depth = 0
  for (let at = 0; at < body.length; at++) {
    const letter = body[at]!
    if (opening.includes(letter)) depth++
    // The arrow of a function type closes nothing.
    if (closing.includes(letter) && body[at - 1] !== '=') depth--
    if (depth === 0 && (letter === '\n' || letter === ';')) found.push('')
    else found[found.length - 1] += letter
  }
  return found
}

function membersIn(body: string): string[] {
  return pieces(body).flatMap((piece) => {
    const [, name, type = ''] = /^\s*(?:readonly )?(\w+)\??:([\s\S]*)$/.exec(piece) ?? []
    if (name === undefined) return []
    const [, inner] = /\{([\s\S]*)\}/.exec(type) ?? []
    return inner === undefined ? [name] : membersIn(inner).map((member) => `${name}.${member}`)
  })
}

/** Members of an interface in a source, with those of the objects in it: `expected.pcrs`. @throws Error if it is not there */
export function membersOf(source: string, name: string): string[] {
  const text = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '')
  const [, body] = new RegExp(`interface ${name}(?: extends [^{]*)? \\{([\\s\\S]*?)^\\}`, 'm').exec(text) ?? []
  if (body === undefined) throw new Error(`no interface ${name}`)
  return membersIn(body)
}

/** Members of what a JSON Schema describes: `clock.daemon`, `swaps[].name`. */
export function membersOfSchema(schema: Readonly<Record<string, unknown>>): string[] {
  const { properties, items } = schema as { properties?: Record<string, Record<string, unknown>>; items?: object }
  if (items !== undefined) return membersOfSchema({ ...items }).map((member) => `[]${member && `.${member}`}`)
  if (properties === undefined) return ['']
  return Object.entries(properties).flatMap(([name, inner]) =>
    membersOfSchema(inner).map((member) =>
      member === '' || member.startsWith('[') ? name + member : `${name}.${member}`,
    ),
  )
}
