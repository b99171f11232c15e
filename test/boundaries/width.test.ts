import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = resolve(import.meta.dirname, '../..')
const widest = 140
/** For tables that gain: matrices, lists of names. */
const mostUnformatted = 20

/** Tables of data, whose long lines stay, each with the reason. Pages (*.md) are prose. */
const tables: Record<string, string> = {
  'apps/portal/static/icon.svg': 'a drawing',
  'bench/azurite/package-lock.json': 'written by npm',
  'package.json': 'a command is one string; JSON has no continuation',
  'docs/reference/wires/': 'written by npm run docs:wires',
  'fuzz/seeds.ts': 'inputs as they come over the wire',
  'packages/policy/src/published.test.ts': 'policies as Microsoft publishes them',
  'packages/policy/src/published-elsewhere.test.ts': 'policies as others publish them',
  'services/control-plane/src/arm/roles/roles.json':
    'built-in roles with Azure’s descriptions; JSON has no continuation',
  'services/control-plane/src/rbac-matrix.golden.txt': 'a row for each operation, a column for each role',
  'test/boundaries/schema/previous.json': 'written by scripts/record-schema.ts',
  'test/mutation/survivors.json': 'lines of sources, quoted',
}

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\0')
  .filter((file) => file !== '' && !file.endsWith('.md') && existsSync(join(root, file)))
const texts = new Map(
  files.flatMap((file) => {
    const bytes = readFileSync(join(root, file))
    return bytes.includes(0) || /\.(?:jpg|png|gz)$/.test(file) ? [] : [[file, bytes.toString('utf8')]]
  }),
)

const tableOf = (file: string): string | undefined =>
  Object.keys(tables).find((table) => (table.endsWith('/') ? file.startsWith(table) : file === table))

const longLines = (file: string, text: string): string[] =>
  text.split('\n').flatMap((line, index) => (line.length > widest ? [`${file}:${index + 1}: ${line.length}`] : []))

/** Comments that keep the formatter from a statement. */
const unformatted = (file: string, text: string): string[] =>
  text.split('\n').flatMap((line, index) => (/(?:prettier|oxfmt)-ignore/.test(line) ? [`${file}:${index + 1}`] : []))

describe('lines', () => {
  it(`have ${widest} columns at most outside tables of data`, () => {
    const long = [...texts].flatMap(([file, text]) => (tableOf(file) === undefined ? longLines(file, text) : []))
    expect(long).toEqual([])
    expect(longLines('a.ts', `${'x'.repeat(widest)}\n${'x'.repeat(widest + 1)}\n`)).toEqual(['a.ts:2: 141'])
  })

  it('are longer in each of the tables that are listed', () => {
    const found = [...texts].filter(([file, text]) => longLines(file, text).length > 0).map(([file]) => tableOf(file))
    expect(Object.keys(tables).filter((table) => !found.includes(table))).toEqual([])
  })
})

describe('the formatter', () => {
  it(`is kept from ${mostUnformatted} statements at most`, () => {
    const found = [...texts].flatMap(([file, text]) =>
      file.startsWith('test/boundaries/width') ? [] : unformatted(file, text),
    )
    expect(found.length, found.join('\n')).toBeLessThanOrEqual(mostUnformatted)
    expect(unformatted('a.ts', 'a()\n// prettier-ignore\nb() // oxfmt-ignore\n')).toEqual(['a.ts:2', 'a.ts:3'])
  })

  it('reads every file but what programs write, at 120 columns', () => {
    const { printWidth, ignorePatterns } = JSON.parse(readFileSync(join(root, '.oxfmtrc.json'), 'utf8')) as {
      printWidth: number
      ignorePatterns: string[]
    }
    const written = ['package-lock.json', 'docs/reference/wires', 'test/boundaries/schema/previous.json']
    expect(printWidth).toBe(120)
    expect(ignorePatterns).toEqual(['dist', 'node_modules', ...written, '*.md'])
  })
})
