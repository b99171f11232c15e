import { compile, tokenize } from '@jmespath-community/jmespath'
import { QueryError } from './query-error.ts'

/** Syntax tree of a query, from the library. */
export type QueryNode = ReturnType<typeof compile>

const tokenLimit = 1_000
const kept = 256

/** Functions of jmespath.org's specification; the library's extensions are not in Azure Attestation's dialect. */
const specified = [
  ['abs', 'avg', 'ceil', 'contains', 'ends_with', 'floor', 'join', 'keys', 'length', 'map', 'max', 'max_by', 'merge'],
  [
    'min',
    'min_by',
    'not_null',
    'reverse',
    'sort',
    'sort_by',
    'starts_with',
    'sum',
    'to_array',
    'to_number',
    'to_string',
  ],
  ['type', 'values'],
].flat()

/** `equals_ignore_case` is specific to Azure Attestation: its published policies compare paths of Windows drivers with it. */
export const queryFunctions: ReadonlySet<string> = new Set([...specified, 'equals_ignore_case'])

/** Kinds of nodes of jmespath.org's grammar: no arithmetic, no variables, no reference to the root. */
const nodeTypes: ReadonlySet<string> = new Set(
  [
    [
      'Field',
      'Subexpression',
      'IndexExpression',
      'Index',
      'Slice',
      'Projection',
      'ValueProjection',
      'FilterProjection',
    ],
    ['Flatten', 'Pipe', 'Comparator', 'OrExpression', 'AndExpression', 'NotExpression', 'MultiSelectList'],
    ['MultiSelectHash', 'KeyValuePair', 'Function', 'ExpressionReference', 'Literal', 'Current', 'Identity'],
  ].flat(),
)

/** Which argument of a function is an expression (`&name`). Determined by the text alone, so that no evidence can pass for one. */
const referenceAt: Record<string, number> = { map: 0, sort_by: 1, max_by: 1, min_by: 1 }

const compiled = new Map<string, QueryNode>()

/**
 * Compiles a query; the most recent trees are cached.
 * @throws QueryError if it is not JMESPath, or too long
 */
export function compileQuery(text: string): QueryNode {
  const known = compiled.get(text)
  if (known !== undefined) return known
  const node = read(text)
  if (compiled.size >= kept) compiled.clear()
  compiled.set(text, node)
  return node
}

function read(text: string): QueryNode {
  let node: QueryNode
  try {
    // The parser and the interpreter recurse once per token, so the number of tokens bounds the stack.
    if (tokenize(text).length > tokenLimit) throw new QueryError(`the query has more than ${tokenLimit} tokens`)
    node = compile(text)
  } catch (error) {
    throw new QueryError(error instanceof Error ? error.message : 'the query cannot be read')
  }
  check(node)
  return node
}

/** Walks every node: an unknown function is refused even if the evidence would never reach it. */
function check(node: unknown, mayRefer = false): void {
  if (typeof node !== 'object' || node === null) return
  const { type, name, children, step } = node as {
    type?: string
    name?: string
    children?: unknown[]
    step?: unknown
  }
  // Lists of nodes have no type.
  if (type !== undefined && !nodeTypes.has(type)) throw new QueryError(`${type} is not in the query language`)
  if (type === 'Literal') return
  if (step === 0) throw new QueryError('the step of a slice is 0')
  if (type === 'ExpressionReference' && !mayRefer) throw new QueryError('& stands only before an argument that is one')
  if (type === 'Function') {
    if (!queryFunctions.has(name!)) throw new QueryError(`unknown function ${name}`)
    const at = Object.hasOwn(referenceAt, name!) ? referenceAt[name!] : undefined
    for (const [index, argument] of children!.entries()) {
      if (index === at && (argument as { type?: string }).type !== 'ExpressionReference')
        throw new QueryError(`argument ${index + 1} of ${name} is not an expression: it begins with &`)
      check(argument, index === at)
    }
    return
  }
  for (const child of Object.values(node)) check(child)
}
