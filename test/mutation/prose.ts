/** What of Babel's paths is looked at. */
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

/** Members of errors and findings that hold text for people. */
const textMembers = new Set(['message', 'expected', 'found', 'subject', 'title', 'hint', 'what', 'description'])
/** Readers of bytes, whose text names the field in an error. */
const readers =
  /^(?:u8|u16|u32|u64|i32|bytes|skip|take|text|sequence|structure|zero|set|octets|octetString|bitString|integer|oid|boolean|expect|explicit|implicit|optional|peek|next|end|read[A-Z]\w*)(?:be|le)?$/

/**
 * Leaves out text that is only for people: its wording is no behaviour, and a test that repeats it proves nothing. That is
 * text in `message`, `expected`, `found` and the like, arguments of errors, names of fields given to readers of bytes, and any
 * text of several words. Codes, names of claims and all else on the wire are single words and are mutated.
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
