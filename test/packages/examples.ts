import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const root = resolve(import.meta.dirname, '../..')
const run = promisify(execFile)

/** The example in a docstring; undefined if it has none. */
export function exampleOf(docstring: string): string | undefined {
  const [, example] = /^@example\n([\s\S]*?)(?=^@[a-z]+\b|$(?![\s\S]))/m.exec(docstring) ?? []
  return example?.trim()
}

/** Names that an example imports, by module specifier. */
function importsOf(example: string): Map<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [, names, from] of example.matchAll(/^import \{([^}]+)\} from '([^']+)'$/gm))
    found.set(
      from!,
      names!.split(',').map((name) => name.trim().replace(/^type /, '')),
    )
  return found
}

const claim = /^(\s*)(.+?) \/\/ (=>|throws) (.+)$/
const asserts = (example: string): boolean =>
  example.split('\n').some((line) => claim.test(line)) || /\bassert\b/.test(example)

/** Why an example does not show its export: there is none, it shows another, or it asserts nothing. */
export function exampleFault(docstring: string, name: string, specifiers: readonly string[]): string | undefined {
  const example = exampleOf(docstring)
  if (example === undefined) return 'no @example'
  const imports = importsOf(example)
  if (!specifiers.some((specifier) => imports.get(specifier)?.includes(name)))
    return `does not import ${name} from ${specifiers.join(' or ')}`
  const code = example.replaceAll(/^import [^']*'[^']*'$/gm, '')
  if (!new RegExp(`\\b${name}\\b`).test(code)) return `does not use ${name}`
  // Without semicolons, such a line continues the one before it.
  if (/^[([`]/m.test(code)) return 'has a line that begins with a bracket'
  return asserts(code) ? undefined : 'asserts nothing: end a line in `// => value` or `// throws Name`'
}

/**
 * An example as a program that fails if a line does not give the value it claims: `expression // => value`, and
 * `expression // throws Name` or `// throws Name Code`.
 */
export function programOf(example: string): string {
  const lines = example.split('\n').map((line) => {
    const [, indent = '', expression, kind, outcome = ''] = claim.exec(line) ?? []
    if (kind === '=>') return `${indent}assert.deepStrictEqual(${expression}, ${outcome})`
    if (kind !== 'throws') return line
    const [name, code] = outcome.split(' ')
    const expected = JSON.stringify({ name, ...(code !== undefined && { code }) })
    return `${indent}await assert.rejects(async () => ${expression}, ${expected})`
  })
  const own = /\bimport assert\b/.test(example) ? [] : ["import assert from 'node:assert/strict'"]
  return [...own, ...lines, 'export {}', ''].join('\n')
}

export interface Program {
  /** File name without extension. */
  name: string
  text: string
}

/** Runs each in one process, in its own folder, and prints the failures as JSON. */
const runner = `
import { readdirSync } from 'node:fs'
process.chdir(process.argv[2])
const failures = []
for (const file of readdirSync(import.meta.dirname + '/examples')) {
  try { await import('./examples/' + file) }
  catch (error) { failures.push(file.slice(0, -3) + ': ' + (error.code === 'ERR_ASSERTION' ? error.message : error.stack)) }
}
process.stdout.write(JSON.stringify(failures))
process.exit()
`

/**
 * Compiles programs with this repository's strict settings and runs them; packages are imported by their published
 * names.
 * @param files folder with the files that they read
 * @returns the messages of the compiler and of each program that failed
 */
export async function tryPrograms(programs: readonly Program[], files: string): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-examples-'))
  try {
    await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
    await mkdir(join(folder, 'examples'))
    for (const { name, text } of programs) await writeFile(join(folder, 'examples', `${name}.ts`), text)
    await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
    await writeFile(join(folder, 'run.mjs'), runner)
    const compilerOptions = { lib: ['ES2024', 'DOM'], types: ['node'], typeRoots: ['./node_modules/@types'] }
    const tsconfig = { extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['examples'] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(tsconfig))
    const compiled = await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder, '--pretty', 'false']).then(
      () => [],
      (error: Error & { stdout?: string }) => (error.stdout ?? error.message).trim().split('\n'),
    )
    const options = ['--conditions=x-source', '--disable-warning=ExperimentalWarning']
    const { stdout } = await run(process.execPath, [...options, join(folder, 'run.mjs'), files], { maxBuffer: 1 << 24 })
    return [...compiled.filter((line) => line !== ''), ...(JSON.parse(stdout) as string[])]
  } finally {
    await rm(folder, { recursive: true })
  }
}
