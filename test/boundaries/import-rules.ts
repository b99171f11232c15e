import { isBuiltin } from 'node:module'
import { dirname, join, relative } from 'node:path'

/** One import of a source file. */
export interface Import {
  /** From the root of the repository. */
  file: string
  /** For example services/vault. */
  workspace: string
  specifier: string
  /** By `import()`: loaded on demand. */
  isLazy?: boolean
}

/** Who may import whom. A workspace not named here may import nothing. */
export const allowed: Record<string, string[]> = {
  'packages/evidence': [],
  'packages/der': [],
  'packages/policy': [],
  'packages/contract': [],
  'packages/release-policy': ['@strongroom/contract'],
  'packages/firmware': ['@strongroom/contract'],
  'packages/transparency': [],
  'packages/trust': ['@strongroom/contract', '@strongroom/evidence', '@strongroom/release-policy'],
  'packages/silicon': ['@strongroom/der', '@strongroom/evidence'],
  'packages/platform': ['@strongroom/contract', '@strongroom/der'],
  'services/identity': ['@strongroom/contract', '@strongroom/platform'],
  'services/attestation': [
    '@strongroom/evidence',
    '@strongroom/policy',
    '@strongroom/contract',
    '@strongroom/platform',
  ],
  'services/vault': [
    '@strongroom/der',
    '@strongroom/evidence',
    '@strongroom/contract',
    '@strongroom/platform',
    '@strongroom/release-policy',
    '@strongroom/transparency',
  ],
  'services/control-plane': ['@strongroom/contract', '@strongroom/platform'],
  'services/host': [
    '@strongroom/der',
    '@strongroom/evidence',
    '@strongroom/firmware',
    '@strongroom/silicon',
    '@strongroom/contract',
    '@strongroom/platform',
  ],
  'apps/cli': [
    // Only the server kit's client, which has no dependency.
    '@strongroom/platform/http-client',
    '@strongroom/evidence',
    '@strongroom/firmware',
    '@strongroom/policy',
    '@strongroom/release-policy',
    '@strongroom/contract',
    '@strongroom/transparency',
    '@strongroom/trust',
  ],
  'apps/portal': [
    '@strongroom/contract',
    '@strongroom/evidence',
    '@strongroom/policy',
    '@strongroom/release-policy',
    '@strongroom/transparency',
    '@strongroom/trust',
  ],
  'apps/strongroomd': [
    '@strongroom/contract',
    '@strongroom/platform',
    '@strongroom/identity',
    '@strongroom/attestation',
    '@strongroom/vault',
    '@strongroom/control-plane',
    '@strongroom/host',
  ],
}

const evidenceEntries = ['advisories', 'expected', 'explain', 'files'].map((name) => `evidence/${name}`)
const browserPackages = [
  'contract',
  'evidence',
  ...evidenceEntries,
  'policy',
  'release-policy',
  'transparency',
  'trust',
  'trust/platforms',
]

/** Workspaces that run in a browser, with the packages they may import. */
export const browserFit: Record<string, string[]> = {
  'packages/contract': [],
  'packages/evidence': [],
  'packages/policy': ['@jmespath-community/jmespath'],
  'packages/release-policy': ['@strongroom/contract'],
  'packages/transparency': ['@noble/hashes/sha2.js'],
  'packages/trust': [
    '@strongroom/contract',
    '@strongroom/evidence',
    '@strongroom/evidence/advisories',
    '@strongroom/evidence/expected',
    '@strongroom/release-policy',
  ],
  'apps/portal': ['preact', 'preact/hooks', '@preact/signals', ...browserPackages.map((name) => `@strongroom/${name}`)],
}

const controlPlane = 'services/control-plane/src'
/** Layers of the control plane from the bottom up (design 0011): none imports a higher one. Files beside them are the top. */
const floors = [
  ['arm', 'fleet', 'host', 'store'],
  ['types'],
  ['providers'],
  ['placement'],
  ['resources', 'templates', 'test-api'],
]

export const isTest = (file: string): boolean => file.endsWith('.test.ts') || file.includes('/testing')

/** Imports of one file, including `export … from` and `import()`. Examples in comments do not count. */
export function importsOf(file: string, text: string): Import[] {
  const code = text
    .split('\n')
    .filter((line) => !/^\s*(?:\*|\/\*|\/\/)/.test(line))
    .join('\n')
  const workspace = file.split('/').slice(0, 2).join('/')
  const statements =
    /(?:^|\n)\s*(?:import|export)\s+(?:[^'"\n;{}=]*?(?:\{[^}]*\})?[^'"\n;{}=]*?\bfrom\s*)?['"]([^'"\n]+)['"]/g
  const lazy = /\bimport\(\s*['"]([^'"]+)['"]/g
  return [
    ...[...code.matchAll(statements)].map((match) => ({ file, workspace, specifier: match[1]! })),
    ...[...code.matchAll(lazy)].map((match) => ({ file, workspace, specifier: match[1]!, isLazy: true })),
  ]
}

const evidence = 'packages/evidence/src'
/**
 * Layers of the evidence package: bytes, DER and errors; certificates; each vendor's signed data; expected values;
 * trees of checks; sets of files.
 */
const evidenceFloors = [
  ['core'],
  ['x509'],
  ['snp', 'tdx', 'tpm', 'eventlog', 'azure', 'tokens', 'cbor', 'cca', 'nitro', 'svsm', 'ssh'],
  ['expect', 'backup'],
  ['checks'],
  ['bundle'],
]

const floorOf = (all: readonly string[][], room: string): number => {
  const floor = all.findIndex((rooms) => rooms.includes(room))
  return floor === -1 ? all.length : floor
}

/** Relative imports of a workspace's sources, each as two paths from its `src`. */
const within = (all: readonly Import[], workspace: string, src: string): [from: string, to: string][] =>
  all
    .filter((entry) => !isTest(entry.file) && isRelative(entry) && entry.workspace === workspace)
    .map((entry) => [relative(src, entry.file), relative(src, targetOf(entry))])

const isRelative = ({ specifier }: Import): boolean => specifier.startsWith('.')
const targetOf = ({ file, specifier }: Import): string => join(dirname(file), specifier)
const text = ({ file, specifier }: Import): string => `${file} imports ${specifier}`

/** Each returns its faults, one per line. */
export const rules = {
  workspaces: (all: readonly Import[]): string[] =>
    all
      .filter(
        ({ file, workspace, specifier }) =>
          !isTest(file) &&
          specifier.startsWith('@strongroom/') &&
          !allowed[workspace]?.some((name) => specifier === name || specifier.startsWith(`${name}/`)),
      )
      .map(text),

  browser: (all: readonly Import[]): string[] =>
    all
      .filter((entry) => {
        const fit = browserFit[entry.workspace]
        return fit !== undefined && !isTest(entry.file) && !isRelative(entry) && !fit.includes(entry.specifier)
      })
      .map(text),

  insideWorkspace: (all: readonly Import[]): string[] =>
    all.filter((entry) => isRelative(entry) && relative(entry.workspace, targetOf(entry)).startsWith('..')).map(text),

  /** Imports between providers and from a room to a higher one, as `from to`. Shared types are in plane.ts. */
  rooms: (all: readonly Import[]): string[] =>
    within(all, 'services/control-plane', controlPlane)
      .filter(([from, to]) => {
        const [own = '', ownProvider] = from.split('/')
        const [other = '', otherProvider] = to.split('/')
        const crosses = own === 'providers' && other === 'providers' && ownProvider !== otherProvider
        return from !== 'plane.ts' && to !== 'plane.ts' && (crosses || floorOf(floors, own) < floorOf(floors, other))
      })
      .map(([from, to]) => `${from} ${to}`),

  /** Imports from a layer of the evidence package to a higher one, as `from to`. */
  evidenceFloors: (all: readonly Import[]): string[] =>
    within(all, 'packages/evidence', evidence)
      .filter(([from, to]) => {
        const [own, other] = [from, to].map((path) => floorOf(evidenceFloors, path.split('/')[0] ?? '')) as [
          number,
          number,
        ]
        return own < other
      })
      .map(([from, to]) => `${from} ${to}`),

  /**
   * Import cycles between files, including type imports. Not followed: lazy imports, such as the portal's pages, and
   * imports of plane.ts, the type of what all of the control plane shares.
   */
  circles: (all: readonly Import[]): string[] => {
    const targets = new Map<string, string[]>()
    for (const entry of all.filter(
      (each) => isRelative(each) && each.isLazy !== true && each.file !== `${controlPlane}/plane.ts`,
    ))
      targets.set(entry.file, [...(targets.get(entry.file) ?? []), targetOf(entry)])
    const found = new Set<string>()
    const ended = new Set<string>()
    const follow = (file: string, trail: string[]): void => {
      if (trail.includes(file)) found.add([...trail.slice(trail.indexOf(file)), file].join(' → '))
      if (trail.includes(file) || ended.has(file)) return
      for (const next of targets.get(file) ?? []) follow(next, [...trail, file])
      ended.add(file)
    }
    for (const file of targets.keys()) follow(file, [])
    return [...found]
  },

  declared: (all: readonly Import[], manifestOf: (workspace: string) => Manifest): string[] =>
    all
      .filter((entry) => {
        if (isRelative(entry) || isBuiltin(entry.specifier)) return false
        const parts = entry.specifier.split('/')
        const name = entry.specifier.startsWith('@') ? parts.slice(0, 2).join('/') : parts[0]!
        const { dependencies, devDependencies, optionalDependencies } = manifestOf(entry.workspace)
        const known = { ...dependencies, ...devDependencies, ...optionalDependencies }
        return !(name in known) && !(isTest(entry.file) && ['vitest', 'fast-check'].includes(name))
      })
      .map(text),
}

export type Manifest = Partial<
  Record<'dependencies' | 'devDependencies' | 'optionalDependencies', Record<string, string>>
>
