import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { gzipSync } from 'node:zlib'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { build } from 'esbuild'
import { publint } from 'publint'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { buildPackages, published } from '../../scripts/build-packages.ts'
import { digests, emptyFolder, nodes, npm } from './stranger.ts'

const root = resolve(import.meta.dirname, '../..')
const patience = 400_000
let directory: string

/** The most that each may add to a page, in KiB: all of it, bundled, minified and gzipped. */
const budgets: Record<(typeof published)[number], number> = {
  contract: 8,
  evidence: 60,
  policy: 24,
  'release-policy': 10,
  transparency: 8,
  trust: 80,
}

function pack(to: string): string[] {
  for (const name of published) npm(join(root, 'packages', name), 'pack', '--pack-destination', to)
  return readdirSync(to).filter((name) => name.endsWith('.tgz'))
}

/** publint's messages for a packed package, and how its types fail for module importers, one per line. The packages are ES modules only. */
async function faultsOf(tarball: string): Promise<string[]> {
  const bytes = Uint8Array.from(readFileSync(tarball))
  const { messages } = await publint({ pack: { tarball: bytes.buffer }, strict: true })
  const types = await checkPackage(createPackageFromTarballData(bytes))
  const problems = types.types === false ? ['no types'] : types.problems.filter(isOfModules).map(({ kind }) => kind)
  return [...messages.map(({ code, path }) => `${code} ${path.join('.')}`), ...problems].toSorted()
}

const isOfModules = (problem: object): boolean =>
  !('resolutionKind' in problem) || problem.resolutionKind === 'node16-esm' || problem.resolutionKind === 'bundler'

// Compilers and npm, on a machine that may be busy.
beforeAll(() => {
  directory = emptyFolder()
  buildPackages()
  const tarballs = pack(directory)
  npm(directory, 'install', '--prefer-offline', ...tarballs.map((name) => `./${name}`))
  copyFileSync(join(import.meta.dirname, 'stranger.mjs'), join(directory, 'stranger.mjs'))
}, patience)
afterAll(() => {
  rmSync(directory, { recursive: true, force: true })
})

describe('the packages in a folder of a stranger’s', () => {
  it.each(nodes)('run on %s, every entry of them', (node) => {
    expect(execFileSync(node, ['stranger.mjs'], { cwd: directory, encoding: 'utf8' })).toBe('ok\n')
  })

  it('have types that a strict compiler takes without our settings', () => {
    writeFileSync(
      join(directory, 'types.ts'),
      [
        "import { parseSnpReport, type SnpReport } from '@strongroom/evidence'",
        "import { evaluatePolicy, parsePolicy } from '@strongroom/policy'",
        "import { readReleasePolicy } from '@strongroom/release-policy'",
        "import { openCheckpoint } from '@strongroom/transparency'",
        "import { rootsOf, type TrustReport } from '@strongroom/trust'",
        'export const version = (bytes: Uint8Array): number => (parseSnpReport(bytes) satisfies SnpReport).version',
        "export const permitted: boolean = evaluatePolicy(parsePolicy(''), []).permitted",
        'export const trusted = (report: TrustReport): boolean => report.trusted',
        'export { openCheckpoint, readReleasePolicy, rootsOf }',
      ].join('\n'),
    )
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023', '--lib', 'es2023,dom']
    const tsc = join(root, 'node_modules/.bin/tsc')
    expect(() => execFileSync(tsc, [...options, '--types', '', 'types.ts'], { cwd: directory })).not.toThrow()
    writeFileSync(join(directory, 'wrong.ts'), "import { parsePolicy } from '@strongroom/policy'\nparsePolicy(1)\n")
    expect(() => execFileSync(tsc, [...options, 'wrong.ts'], { cwd: directory, stdio: 'pipe' })).toThrow()
  })

  it.each(published)(
    'name entries that are there, each with its types: %s',
    async (name) => {
      const tarball = readdirSync(directory).find((file) => file.startsWith(`strongroom-${name}-`))!
      expect(await faultsOf(join(directory, tarball))).toEqual([])
    },
    patience,
  )

  it(
    'would be refused with an entry that is not packed, or without its types',
    async () => {
      const planted = join(directory, 'planted')
      mkdirSync(join(planted, 'dist'), { recursive: true })
      const manifest = {
        name: 'planted',
        version: '1.0.0',
        type: 'module',
        license: 'Apache-2.0',
        sideEffects: false,
        files: ['dist'],
        exports: {
          '.': { types: './dist/index.d.ts', default: './dist/index.js' },
          './other': { types: './dist/other.d.ts', default: './dist/other.js' },
        },
      }
      writeFileSync(join(planted, 'package.json'), JSON.stringify(manifest))
      writeFileSync(join(planted, 'dist/index.js'), 'export const a = 1\n')
      writeFileSync(join(planted, 'dist/index.d.ts'), 'export declare const a: number\n')
      writeFileSync(join(planted, 'dist/other.js'), 'export const b = 1\n')
      npm(planted, 'pack')
      expect(await faultsOf(join(planted, 'planted-1.0.0.tgz'))).toEqual([
        'FILE_DOES_NOT_EXIST exports../other.types',
        'UntypedResolution',
        'UntypedResolution',
      ])
    },
    patience,
  )

  it.each(Object.entries(budgets))(
    'bundle for a browser: %s, which asks for no module of Node, in its budget',
    async (name, kibibytes) => {
      const { outputFiles } = await build({
        stdin: { contents: `export * from '@strongroom/${name}'`, resolveDir: directory },
        bundle: true,
        minify: true,
        write: false,
        format: 'esm',
        platform: 'browser',
        external: ['node:*'],
      })
      const text = outputFiles[0]?.text ?? ''
      expect(text).not.toMatch(/["']node:/)
      expect(gzipSync(text, { level: 9 }).length).toBeLessThanOrEqual(kibibytes * 1024)
    },
  )

  it('hold no test and no forger of evidence', () => {
    for (const name of published) {
      const listed = readdirSync(join(directory, 'node_modules/@strongroom', name), { recursive: true }).map(String)
      expect(listed).toEqual(expect.arrayContaining(['package.json', 'README.md', 'dist/index.js', 'dist/index.d.ts']))
      expect(listed.filter((path) => /\.test\.|(^|\/)testing(\.|\/|$)/.test(path))).toEqual([])
    }
  })

  it(
    'are the same bytes when they are built again',
    () => {
      const again = emptyFolder()
      try {
        buildPackages()
        pack(again)
        expect(digests(again)).toEqual(digests(directory))
      } finally {
        rmSync(again, { recursive: true, force: true })
      }
    },
    patience,
  )
})
