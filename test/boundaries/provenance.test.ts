import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseAst } from 'vitest/node'

const root = resolve(import.meta.dirname, '../..')
const room = 'packages/trust/src/provenance/'
const sources = execFileSync('git', ['ls-files', 'packages', 'apps', 'services'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((file) => /\.tsx?$/.test(file) && !/\.test\.tsx?$|\/testing\//.test(file))
const outside = sources.filter((file) => !file.startsWith(room))
const read = (file: string): string => readFileSync(join(root, file), 'utf8')

/** Lines that make a value somebody vouches for, instead of a verifying function. */
const makes = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => /\bvouch\(|\{.*\bvouch\b.*\} from|^ {2}vouch,|\bas (?:unknown as )?Known<|^ *<Known</.test(line))

interface Node {
  type: string
  [member: string]: unknown
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && 'type' in value

function* childrenOf(node: Node): Generator<Node> {
  for (const value of Object.values(node))
    for (const each of Array.isArray(value) ? value : [value]) if (isNode(each)) yield each
}

function* nodesOf(node: Node): Generator<Node> {
  yield node
  for (const child of childrenOf(node)) yield* nodesOf(child)
}

const namesIn = (pattern: unknown): string[] =>
  isNode(pattern)
    ? [...nodesOf(pattern)].filter(({ type }) => type === 'Identifier').map(({ name }) => String(name))
    : []

/** Names that are declared inside a function: parameters, variables and functions. */
const declaredIn = (of: Node): Set<string> =>
  new Set(
    [...nodesOf(of)].flatMap((node) => {
      if (node.type === 'VariableDeclarator') return namesIn(node['id'])
      if (/Function/.test(node.type)) return [...namesIn(node['id']), ...(node['params'] as unknown[]).flatMap(namesIn)]
      return []
    }),
  )

/** Names of the module itself: imports, and what stands outside any function. */
const ofModule = (program: Node): Set<string> =>
  new Set(
    (program['body'] as Node[]).flatMap((statement) => {
      const node = isNode(statement['declaration']) ? statement['declaration'] : statement
      if (node.type === 'ImportDeclaration')
        return (node['specifiers'] as Node[]).flatMap(({ local }) => namesIn(local))
      if (node.type === 'VariableDeclaration') return (node['declarations'] as Node[]).flatMap(({ id }) => namesIn(id))
      return namesIn(node['id'])
    }),
  )

/** Names that an expression reads: no keys of members or objects, no types. */
function* readsOf(node: Node): Generator<string> {
  if (node.type.startsWith('TS') && node.type !== 'TSAsExpression' && node.type !== 'TSNonNullExpression') return
  if (node.type === 'Identifier') yield String(node['name'])
  for (const child of childrenOf(node)) {
    const named = node['key'] === child || (node.type === 'MemberExpression' && node['property'] === child)
    if (!(named && node['computed'] !== true)) yield* readsOf(child)
  }
}

const globals = new Set([
  'String',
  'Number',
  'Array',
  'BigInt',
  'Boolean',
  'Object',
  'JSON',
  'undefined',
  'Uint8Array',
  'URL',
])
const deriving = new Set(['map', 'derive', 'deriveAsync'])

/** A function that has no known value derives none: its `map` is an array's. */
const hasKnown = (text: string): boolean => /\bKnown\b|\bderive(?:Async)?\(|\bproof\b/.test(text)

/** What the functions that derive a known value read besides their arguments. */
function captured(text: string): string[] {
  const program = parseAst(text, { lang: 'ts' }) as unknown as Node
  const own = ofModule(program)
  const statements = (program['body'] as Node[]).filter(
    ({ type, start, end }) => type !== 'ImportDeclaration' && hasKnown(text.slice(Number(start), Number(end))),
  )
  return statements
    .flatMap((statement) => [...nodesOf(statement)])
    .flatMap((call) => {
      if (call.type !== 'CallExpression') return []
      const callee = call['callee'] as Node
      const name = String((callee['property'] as Node | undefined)?.['name'] ?? callee['name'])
      if (!deriving.has(name)) return []
      return (call['arguments'] as Node[])
        .filter(({ type }) => /Function/.test(type))
        .flatMap((of) => {
          const declared = declaredIn(of)
          return [...readsOf(of)]
            .filter((read) => !declared.has(read) && !own.has(read) && !globals.has(read))
            .map((read) => `${name}: ${read}`)
        })
    })
}

describe('who vouches for a value of the trust report', () => {
  it('is said by the verifying functions of one folder alone', () => {
    expect(outside.flatMap((file) => makes(read(file)).map((line) => `${file}: ${line.trim()}`))).toEqual([])
    expect(sources.filter((file) => file.startsWith(room) && makes(read(file)).length > 0).length).toBeGreaterThan(5)
    for (const planted of [
      "import { vouch } from './provenance/known.ts'",
      'return evidence.vmId as unknown as Known<string>',
      'const found = evidence as Known<BootFacts>',
    ])
      expect(makes(planted), planted).toHaveLength(1)
  })

  it('is inherited through functions that read nothing but their arguments', () => {
    const files = outside.filter((file) => file.startsWith('packages/trust/src/'))
    expect(files.flatMap((file) => captured(read(file)).map((each) => `${file}: ${each}`))).toEqual([])
    const known = 'import { derive, type Known } from "./known.ts"\nconst limit = 3\n'
    for (const [planted, found] of [
      ['function f(a: Known<string>, e: Facts) { return a.map(() => e.vmId) }', ['map: e']],
      ['function f(a: Known<string>, e: Facts) { return derive([a], (b) => b === e.vmId) }', ['derive: e']],
      ['function f(a: Known<string>, e: Facts) { return a.map((b) => { const c = e; return c }) }', ['map: e']],
      ['function f(a: Known<string>) { return derive([a], ({ e: b }) => String(b.e).length > limit) }', []],
      ['function f(a: Known<string>) { return a.map(twice) }\nconst twice = (b: string) => b + b', []],
    ] as const)
      expect(captured(known + planted), planted).toEqual(found)
  })
})
