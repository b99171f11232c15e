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
  // What the processor protects: nothing that a host supplies, and no other service.
  'services/paravisor': [
    '@strongroom/der',
    '@strongroom/evidence',
    '@strongroom/firmware',
    '@strongroom/silicon',
    '@strongroom/contract',
    '@strongroom/platform',
  ],
  'services/host': [
    '@strongroom/der',
    '@strongroom/evidence',
    '@strongroom/firmware',
    '@strongroom/paravisor',
    '@strongroom/silicon',
    '@strongroom/contract',
    '@strongroom/platform',
  ],
  'apps/cli': [
    // Only the server kit's client and its files, which have no dependency.
    '@strongroom/platform/files',
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

/** One folder a floor, so that no two lie in a knot. */
export const floorsOfParavisor: string[][] = [
  ['vmgs'],
  ['tpm'],
  ['firmware'],
  ['variables'],
  ['expected'],
  ['release'],
  ['guest'],
]

/**
 * Floors of workspaces from the ground up: no folder imports another of its floor or of a higher one, by types either.
 * Files beside the folders are the top.
 */
const workspaceFloors: Record<string, string[][]> = {
  'packages/evidence': [
    ['core'],
    ['x509'],
    ['snp', 'eventlog', 'cbor', 'ssh'],
    ['tdx', 'tpm', 'cca', 'nitro', 'svsm'],
    ['tokens'],
    ['azure', 'expect', 'backup'],
    ['checks'],
    ['bundle'],
  ],
  'packages/trust': [['provenance'], ['links', 'pins']],
  'services/paravisor': floorsOfParavisor,
  'services/attestation': [
    ['core', 'store'],
    ['anchors', 'providers'],
    ['collateral', 'keys', 'policy'],
    ['evidence'],
    ['tokens', 'tpm'],
    ['guest'],
    ['routes'],
  ],
  'services/vault': [
    ['core', 'store'],
    ['keystore', 'log', 'signing'],
    ['vaults'],
    ['objects'],
    ['keys', 'secrets'],
    ['attestation', 'certificates', 'hsm', 'release'],
    ['access'],
    ['http'],
  ],
  'apps/portal': [
    ['wire', 'kept'],
    ['ui', 'resources', 'decisions'],
    ['access', 'attestation', 'inspector', 'keys', 'sizes'],
    ['costs', 'trust'],
    ['machines'],
    ['make'],
    ['app'],
  ],
  'apps/cli': [
    ['core'],
    ['bundle', 'client', 'evidence', 'release', 'vault'],
    ['backup', 'completion', 'log', 'policy', 'trust', 'up'],
    ['commands', 'embed'],
    ['drill'],
  ],
}

const floorOf = (all: readonly string[][], room: string): number => {
  const floor = all.findIndex((rooms) => rooms.includes(room))
  return floor === -1 ? all.length : floor
}

/** Relative imports within a workspace's sources, each as two paths from its `src`. */
const within = (all: readonly Import[], workspace: string, src: string): [from: string, to: string][] =>
  all
    .filter((entry) => !isTest(entry.file) && isRelative(entry) && entry.workspace === workspace)
    .map((entry): [string, string] => [relative(src, entry.file), relative(src, targetOf(entry))])
    .filter(([, to]) => !to.startsWith('..'))

const isRelative = ({ specifier }: Import): boolean => specifier.startsWith('.')
const targetOf = ({ file, specifier }: Import): string => join(dirname(file), specifier)
const text = ({ file, specifier }: Import): string => `${file} imports ${specifier}`

const mayImport = ({ workspace, specifier }: Import): boolean =>
  !specifier.startsWith('@strongroom/') ||
  allowed[workspace]?.some((name) => specifier === name || specifier.startsWith(`${name}/`)) === true

const paravisor = 'services/paravisor'

/** Each returns its faults, one per line. */
export const rules = {
  workspaces: (all: readonly Import[]): string[] =>
    all.filter((entry) => !isTest(entry.file) && !mayImport(entry)).map(text),

  browser: (all: readonly Import[]): string[] =>
    all
      .filter((entry) => {
        const fit = browserFit[entry.workspace]
        return fit !== undefined && !isTest(entry.file) && !isRelative(entry) && !fit.includes(entry.specifier)
      })
      .map(text),

  insideWorkspace: (all: readonly Import[]): string[] =>
    all.filter((entry) => isRelative(entry) && relative(entry.workspace, targetOf(entry)).startsWith('..')).map(text),

  /** Unlike `workspaces`, for tests too: what a test needs of the host belongs to the host's tests. */
  paravisor: (all: readonly Import[]): string[] => {
    const own = all.filter(({ workspace }) => workspace === paravisor)
    return [...rules.insideWorkspace(own), ...own.filter((entry) => !mayImport(entry)).map(text)]
  },

  /** Imports between providers and from a room to a higher one, as `from to`. */
  rooms: (all: readonly Import[]): string[] =>
    within(all, 'services/control-plane', controlPlane)
      .filter(([from, to]) => {
        const [own = '', ownProvider] = from.split('/')
        const [other = '', otherProvider] = to.split('/')
        const crosses = own === 'providers' && other === 'providers' && ownProvider !== otherProvider
        return crosses || floorOf(floors, own) < floorOf(floors, other)
      })
      .map(([from, to]) => `${from} ${to}`),

  /** Imports of a workspace that do not lead downwards, as `from to`; each folder has a floor. */
  workspaceFloors: (all: readonly Import[]): string[] =>
    Object.entries(workspaceFloors).flatMap(([workspace, floors]) => {
      const folderOf = (path: string): string => (path.includes('/') ? path.split('/')[0]! : '')
      return within(all, workspace, `${workspace}/src`)
        .filter(([from, to]) => {
          const [own, other] = [folderOf(from), folderOf(to)]
          return own !== other && floorOf(floors, own) <= floorOf(floors, other)
        })
        .map(([from, to]) => `${from} ${to}`)
    }),

  /**
   * Import cycles between files, including type imports. Not followed: lazy imports, such as the portal's pages, and
   * imports of types/plane.ts, the type of what all of the control plane shares.
   */
  circles: (all: readonly Import[]): string[] => {
    const targets = new Map<string, string[]>()
    for (const entry of all.filter(
      (each) => isRelative(each) && each.isLazy !== true && each.file !== `${controlPlane}/types/plane.ts`,
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
