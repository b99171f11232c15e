/** A value from another block, such as `azurerm_subnet.subnet.id`. */
export class Reference {
  readonly address: string

  constructor(address: string) {
    this.address = address
  }
}

type Value = string | number | boolean | Reference | readonly Value[]

/** A block's content: arguments, and nested blocks. */
export interface Body {
  readonly [name: string]: Value | Body
}

/**
 * Text as HCL's quoted template without nested templates (HCL native syntax, "Quoted template", "Template literals").
 * Characters that are invisible or reorder text (control characters, direction marks) are written as escapes.
 */
export function quoted(text: string): string {
  const escaped = text
    .toWellFormed()
    .replaceAll(/["\\]/g, String.raw`\$&`)
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('\r', String.raw`\r`)
    .replaceAll('\t', String.raw`\t`)
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, byNumber)
    // `$$` before `{` is one `$`; after another `$` it is written as an escape, because `$$$` would begin a template.
    .replaceAll(/(?<=([$%])?)[$%](?=\{)/g, (mark, before) => (mark === before ? byNumber(mark) : mark + mark))
  return `"${escaped}"`
}

function byNumber(character: string): string {
  const number = character.codePointAt(0)!.toString(16)
  return number.length > 4 ? `\\U${number.padStart(8, '0')}` : `\\u${number.padStart(4, '0')}`
}

function valueText(value: Value): string {
  if (typeof value === 'string') return quoted(value)
  if (value instanceof Reference) return value.address
  if (typeof value === 'object') return `[${value.map(valueText).join(', ')}]`
  return String(value)
}

const isBody = (value: Value | Body): value is Body =>
  typeof value === 'object' && !Array.isArray(value) && !(value instanceof Reference)

/** A block with its labels, formatted like `terraform fmt`. */
export function block(head: string, body: Body, indent = ''): string {
  const deeper = `${indent}  `
  const entries = Object.entries(body)
  const parts = entries.map(([name, value], index) => {
    if (isBody(value)) return (index === 0 ? '' : '\n') + block(name, value, deeper)
    // Consecutive names are padded to the longest.
    const wide = Math.max(...runAround(entries, index).map(([other]) => other.length))
    const gap = index > 0 && isBody(entries[index - 1]![1]) ? '\n' : ''
    return `${gap}${deeper}${name.padEnd(wide)} = ${valueText(value)}`
  })
  return parts.length === 0 ? `${indent}${head} {}` : `${indent}${head} {\n${parts.join('\n')}\n${indent}}`
}

/** The arguments around one, up to the next block on either side. */
function runAround(entries: readonly [string, Value | Body][], index: number): readonly [string, Value | Body][] {
  const start = entries.slice(0, index).findLastIndex(([, value]) => isBody(value)) + 1
  const length = entries.slice(start).findIndex(([, value]) => isBody(value))
  return entries.slice(start, length < 0 ? undefined : start + length)
}
