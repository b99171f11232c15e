/** The parts of Babel's paths that are used. */
interface Path {
  node: {
    type: string
    value?: unknown
    computed?: boolean
    key?: { type: string; name?: string }
    callee?: Node
    quasis?: { value: { raw: string } }[]
  }
  key?: string | number | null
  listKey?: string | undefined
  parent?: Path['node']
}
interface Node {
  type: string
  name?: string
  property?: Node
}

/** Members of errors and findings with display text. */
const textMembers = new Set(['message', 'expected', 'found', 'subject', 'title', 'hint', 'what', 'description'])
/** Byte readers, whose text names the field in an error. */
const readers = new RegExp(
  '^(?:u8|u16|u32|u64|i32|bytes|skip|take|text|sequence|structure|zero|set|octets|octetString|bitString|integer|oid|' +
    'boolean|expect|explicit|implicit|optional|peek|next|end|read[A-Z]\\w*)(?:be|le)?$',
)

/**
 * Excludes display text: its wording is not behaviour, and a test that repeats it proves nothing. That is text in
 * `message`, `expected`, `found` and similar, arguments of errors, field names for byte readers, and any text of
 * several words. Codes, claim names and everything else on the wire are single words and are mutated.
 */
export const ignoredProse = {
  shouldIgnore(given: object): string | undefined {
    const { node, parent, listKey } = given as Path
    if (node.type === 'ObjectProperty' && node.computed !== true && textMembers.has(node.key?.name ?? ''))
      return 'text for people'
    if (node.type !== 'StringLiteral' && node.type !== 'TemplateLiteral') return undefined
    const text =
      node.type === 'StringLiteral' ? String(node.value) : node.quasis!.map(({ value }) => value.raw).join('x')
    if (/[A-Za-z,.:)] [A-Za-z(]/.test(text)) return 'text for people'
    if (listKey !== 'arguments') return undefined
    const called = parent?.callee?.property?.name ?? parent?.callee?.name ?? ''
    if (parent?.type === 'NewExpression' && /(?:Error|Reader)$/.test(called)) return 'text for people'
    return readers.test(called) ? 'name of a field, for people' : undefined
  },
}
