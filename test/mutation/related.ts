import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

/** Where unit tests are. Those that start machines, browsers or other judges are excluded: they take minutes each. */
const testGlobs = [
  '{packages,services,apps/cli}/**/src/**/*.test.ts',
  'test/{corpus,forged,wycheproof}/**/*.test.ts',
  'test/insider/*-{link,links}.test.ts',
]
const specifiers = /\b(?:from|import)\s*\(?\s*'([^']+)'/g

/**
 * Tests that load one of these files, the nearest first: same folder, same workspace, another package, then all others.
 * @param files paths from the root
 * @param near excludes services, apps and `test/`, which start servers or read whole corpora; those of the same
 * workspace stay
 * @returns paths from the root
 */
export function relatedTests(root: string, files: string[], near = false): string[] {
  const wanted = new Set(files.map((file) => join(root, file)))
  const graph = new Graph(root)
  const tests = testGlobs
    .flatMap((glob) => globSync(glob, { cwd: root, exclude: (name) => name === 'node_modules' }))
    .filter((test) => graph.reaches(join(root, test), wanted))
  const distance = (test: string): number => Math.min(...files.map((file) => distanceOf(test, file)))
  return tests
    .filter((test) => !near || distance(test) < 4)
    .toSorted((a, b) => distance(a) - distance(b) || (a < b ? -1 : 1))
}

function distanceOf(test: string, file: string): number {
  if (test === file.replace(/\.ts$/, '.test.ts')) return 0
  if (dirname(test) === dirname(file)) return 1
  const workspace = (path: string): string => path.split('/').slice(0, 2).join('/')
  if (workspace(test) === workspace(file)) return 2
  return test.startsWith('packages/') ? 3 : 4
}

/** What imports what, by absolute paths. */
class Graph {
  readonly #root: string
  readonly #imports = new Map<string, string[]>()

  constructor(root: string) {
    this.#root = root
  }

  reaches(from: string, wanted: ReadonlySet<string>): boolean {
    const seen = new Set<string>()
    const waiting = [from]
    for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
      if (wanted.has(file)) return true
      if (seen.has(file)) continue
      seen.add(file)
      waiting.push(...this.#importsOf(file))
    }
    return false
  }

  #importsOf(file: string): string[] {
    const known = this.#imports.get(file)
    if (known !== undefined) return known
    const text = file.endsWith('.ts') && existsSync(file) ? readFileSync(file, 'utf8') : ''
    const found = [...text.matchAll(specifiers)].flatMap(([, specifier]) => this.#resolved(file, specifier!))
    this.#imports.set(file, found)
    return found
  }

  #resolved(file: string, specifier: string): string[] {
    if (specifier.startsWith('.')) return [resolve(dirname(file), specifier)]
    const [scope, name, ...rest] = specifier.split('/')
    if (scope !== '@strongroom') return []
    const workspace = ['packages', 'services', 'apps'].find((kind) => existsSync(join(this.#root, kind, name!)))
    if (workspace === undefined) return []
    const folder = join(this.#root, workspace, name!)
    const { exports = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      exports?: Record<string, { 'x-source'?: string }>
    }
    const source = exports[rest.length === 0 ? '.' : `./${rest.join('/')}`]?.['x-source']
    return source === undefined ? [] : [join(folder, source)]
  }
}

/**
 * Source files in these paths, which may be folders: the tests' subjects, not the tests.
 * @throws if a path has no source or is a test, like the second of `--by A B`
 */
export function sourcesOf(root: string, paths: string[]): string[] {
  const found = paths.flatMap((path) => {
    const whole = relative(root, resolve(root, path))
    if (whole.endsWith('.ts')) {
      if (!isSource(whole))
        throw new Error(`${path} is not a source of the product: name each test with a --by of its own`)
      return [whole]
    }
    const all = globSync(`${whole}/**/*.ts`, { cwd: root, exclude: (name) => name === 'node_modules' })
    if (all.length === 0) throw new Error(`${path} holds no source: name a file or a folder of the repository`)
    return all
  })
  return [...new Set(found)].filter(isSource).toSorted()
}

/** Whether a file is one of these, or below one of these folders; true if none is given. */
export function isBelow(file: string, paths: readonly string[]): boolean {
  return paths.length === 0 || paths.some((path) => file === path || file.startsWith(`${path.replace(/\/$/, '')}/`))
}

/** Whether a path is one of the product's own sources. */
export function isSource(path: string): boolean {
  return (
    /^(?:packages|services|apps)\/[^/]+\/src\/.*\.ts$/.test(path) &&
    !path.endsWith('.test.ts') &&
    !path.endsWith('.d.ts') &&
    !/\/testing(?:\/|\.ts$)/.test(path)
  )
}
