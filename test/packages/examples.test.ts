import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exampleFault, exampleOf, programOf, tryPrograms, type Program } from './examples.ts'
import { documentedEntries, entriesOf, findExport } from '../../scripts/published-exports.ts'
import { hasReaderFiles, layOut } from './reader-files.ts'

/** Milliseconds, on a busy machine: the examples make 4096-bit keys, and about 300 programs are compiled. */
const patience = 600_000

interface Documented {
  name: string
  specifier: string
  docstring: string
}

/** Every value that a package exports; types are covered by the functions that use them. */
async function publicExports(): Promise<Documented[]> {
  const found: Documented[] = []
  for (const { specifier, source } of documentedEntries()) {
    const names = Object.keys((await import(specifier)) as object)
    for (const name of names) found.push({ name, specifier, docstring: findExport(name, source)?.docstring ?? '' })
  }
  return found
}

let exported: Documented[]
let files: string
beforeAll(async () => {
  exported = await publicExports()
  files = await mkdtemp(join(tmpdir(), 'strongroom-reader-'))
  await layOut(files)
}, patience)
afterAll(() => rm(files, { recursive: true }))

describe('every export of the published packages', () => {
  it('has an example that imports it as a stranger does, and says what comes out', () => {
    expect(exported.length).toBeGreaterThan(300)
    const specifiersOf = Map.groupBy(exported, ({ docstring, name }) => `${name}\n${docstring}`)
    const faults = exported.flatMap(({ name, specifier, docstring }) => {
      const alike = specifiersOf.get(`${name}\n${docstring}`)!.map((each) => each.specifier)
      const fault = exampleFault(docstring, name, alike)
      return fault === undefined ? [] : [`${specifier} ${name}: ${fault}`]
    })
    expect(faults).toEqual([])
  })

  // Files from real hardware are kept beside the repository.
  it.skipIf(!hasReaderFiles)(
    'has one that compiles, and gives what it says',
    async () => {
      const programs = exported.flatMap(({ name, specifier, docstring }): Program[] => {
        const example = exampleOf(docstring)
        if (example === undefined) return []
        return [{ name: `${specifier.slice(12).replaceAll('/', '.')}.${name}`, text: programOf(example) }]
      })
      expect(await tryPrograms(programs, files)).toEqual([])
    },
    patience,
  )

  it('has one of its own', () => {
    const bodies = exported.map(({ docstring }) =>
      exampleOf(docstring)
        ?.replaceAll(/^import .*$/gm, '')
        .trim(),
    )
    const twice = bodies.filter((body, index) => body !== undefined && bodies.indexOf(body) !== index)
    // Two packages re-export one function.
    expect(new Set(twice).size).toBeLessThanOrEqual(1)
  })
})

describe('the check of examples', () => {
  it('finds an export without one, wherever its entry has it from', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'strongroom-planted-'))
    const shown =
      "/**\n * Shown.\n * @example\n * import { shown } from 'planted'\n *\n * shown() // => 1\n */\nexport function shown() {}"
    const sources = {
      'package.json': JSON.stringify({ name: 'planted', exports: { '.': { 'x-source': './src/index.ts' } } }),
      'src/index.ts': "export { shown, bare as plain } from './named.ts'\nexport * from './all.ts'\n",
      'src/named.ts': `${shown}\n\n/** Bare. */\nexport const bare = 1\n`,
      'src/all.ts': 'export class Hidden {}\n',
    }
    await mkdir(join(folder, 'src'))
    for (const [path, text] of Object.entries(sources)) await writeFile(join(folder, path), text)
    const [entry] = entriesOf(folder)
    const faultOf = (name: string): string | undefined =>
      exampleFault(findExport(name, entry!.source)?.docstring ?? '', name, [entry!.specifier])
    expect(['shown', 'plain', 'Hidden'].map(faultOf)).toEqual([undefined, 'no @example', 'no @example'])
    expect(findExport('absent', entry!.source)).toBeUndefined()
    await rm(folder, { recursive: true })
  })

  const fault = (docstring: string): string | undefined => exampleFault(docstring, 'toHex', ['@strongroom/evidence'])
  const from = "@example\nimport { toHex } from '@strongroom/evidence'\n"

  it.each([
    ['Hexadecimal.', 'no @example'],
    [
      "@example\nimport { toHex } from './hex.ts'\ntoHex(x) // => ''",
      'does not import toHex from @strongroom/evidence',
    ],
    [`${from}1 + 1 // => 2`, 'does not use toHex'],
    [`${from}toHex(Uint8Array.of(10))`, 'asserts nothing: end a line in `// => value` or `// throws Name`'],
    [`${from}toHex(Uint8Array.of(10)) // => '0a'\n@throws never`, undefined],
  ])('refuses what shows nothing: %s', (docstring, expected) => {
    expect(fault(docstring)).toBe(expected)
  })

  it(
    'finds an example that gives something else, throws something else, or does not compile',
    async () => {
      const given = (name: string, body: string): Program => ({ name, text: programOf(`${from.slice(9)}${body}`) })
      const found = await tryPrograms(
        [
          given(
            'a-right',
            "toHex(Uint8Array.of(10)) // => '0a'\ntoHex(await Promise.reject(new RangeError('x'))) // throws RangeError",
          ),
          given('b-other', "toHex(Uint8Array.of(10)) // => '0b'"),
          given('c-thrown', "toHex(await Promise.reject(new RangeError('x'))) // throws TypeError"),
          given('d-types', "toHex('0a' as string) // throws TypeError"),
        ],
        files,
      )
      const names = found.map(
        (line) => /^(?:examples\/)?([a-d]-\w+)/.exec(line.replace(/^.*?examples\//, 'examples/'))?.[1],
      )
      expect(new Set(names)).toEqual(new Set(['b-other', 'c-thrown', 'd-types']))
    },
    patience,
  )
})
