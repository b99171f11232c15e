/** A query that cannot be read, or that does not fit the JSON. */
export class JmesPathError extends Error {
  override readonly name = 'JmesPathError'
}

/** Syntax tree of a JMESPath query (jmespath.org/specification.html). */
export type Node =
  | { kind: 'current' }
  | { kind: 'field'; name: string }
  | { kind: 'index'; index: number }
  | { kind: 'slice'; start: number | undefined; stop: number | undefined; step: number }
  | { kind: 'literal'; value: unknown }
  /** Right is evaluated on the result of left; `chain` for a.b, a[0], a | b. */
  | { kind: 'chain'; left: Node; right: Node }
  | { kind: 'flatten'; left: Node }
  /** Right on each element (list), each value (object), or each element that passes the condition (filter). */
  | { kind: 'projection'; of: 'list' | 'object' | 'filter'; left: Node; condition?: Node; right: Node }
  | { kind: 'list'; items: Node[] }
  | { kind: 'hash'; entries: { name: string; value: Node }[] }
  | { kind: 'or' | 'and'; left: Node; right: Node }
  | { kind: 'not'; operand: Node }
  | { kind: 'compare'; operator: Comparator; left: Node; right: Node }
  | { kind: 'call'; name: string; arguments: Node[] }
  /** `&expression`: handed to a function unevaluated. */
  | { kind: 'reference'; operand: Node }

export type Comparator = '==' | '!=' | '<' | '<=' | '>' | '>='
