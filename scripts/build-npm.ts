import { execFileSync } from 'node:child_process'
import {
  constants,
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { build, type BuildOptions } from 'esbuild'
import { billOfMaterials } from './bill-of-materials.ts'
import { buildPortal, portalParts } from './build-portal.ts'
import { root } from './bundle.ts'
import { serverBundle } from './server-bundle.ts'
import { thirdPartyOf, type ThirdParty } from './third-party.ts'

/**
 * Builds the npm packages for users, ready for `npm pack` and `npm publish`:
 *   dist/npm/strongroom           command line, server and API for tests, each one bundle
 *   dist/npm/node-linux-x64       the Node that runs the server if the user's is older; adds no `node` to the path
 *   npm run build:npm
 */
export const npmDirectory: string = join(root, 'dist/npm')
/** Its subfolder with this machine's Node. */
export const nodePackage: string = `node-linux-${process.arch}`
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const { version, optionalDependencies } = JSON.parse(read('package.json')) as {
  version: string
  optionalDependencies: Record<string, string>
}

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  conditions: ['x-source'],
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
  // Native and usually absent: without it the server says so.
  external: ['pkcs11js', 'pg-native'],
}
const commonJs: BuildOptions = { ...common, format: 'cjs', define: { 'import.meta.dirname': '__dirname' } }

const bundlesIn = (dist: string): BuildOptions[] => [
  {
    ...commonJs,
    target: 'node12',
    entryPoints: ['apps/cli/src/embed/launcher.ts'],
    outfile: join(dist, 'strongroom.cjs'),
    banner: { js: '#!/usr/bin/env node' },
  },
  { ...commonJs, target: 'node24', entryPoints: ['apps/cli/src/main.ts'], outfile: join(dist, 'cli.cjs') },
  {
    ...common,
    format: 'esm',
    target: 'node20.19',
    entryPoints: ['apps/cli/src/embed/index.ts'],
    outfile: join(dist, 'index.js'),
  },
  {
    ...common,
    format: 'esm',
    target: 'node22',
    entryPoints: ['apps/cli/src/embed/testcontainers/index.ts'],
    outfile: join(dist, 'testcontainers/index.js'),
    external: ['testcontainers'],
  },
  // What several programs use is one chunk beside them. Data files are in `data`.
  { ...common, ...serverBundle('../data'), outdir: join(dist, 'server'), splitting: true, chunkNames: '[name]-[hash]' },
]

/** Non-source files beside the services' sources, which they read at run time. */
function copyData(dist: string): void {
  const files = globSync('services/*/src/**/*', { cwd: root }).filter(
    (file) => !/\.ts$|\.golden\.|\/golden\//.test(file) && statSync(join(root, file)).isFile(),
  )
  const portal = globSync('apps/portal/dist/{*.*,assets/*}', { cwd: root })
  for (const file of [...files.toSorted(), ...portal.toSorted(), 'docs/proof/faq.md']) {
    mkdirSync(dirname(join(dist, 'data', file)), { recursive: true })
    copyFileSync(join(root, file), join(dist, 'data', file))
  }
}

const embed = 'apps/cli/src/embed'
/** Sources of the entries' types. */
const declared = [
  'index',
  'cloud',
  'test-guest',
  ...['index', 'container', 'started'].map((name) => `testcontainers/${name}`),
].map((name) => `${name}.d.ts`)

function writeTypes(directory: string, dist: string): void {
  const types = join(directory, 'types')
  const files = ['index.ts', 'testcontainers/index.ts'].map((file) => join(root, embed, file))
  const options = ['--declaration', '--emitDeclarationOnly', '--noEmit', 'false', '--outDir', types, '--rootDir', root]
  const project = join(directory, 'tsconfig.json')
  writeFileSync(
    project,
    JSON.stringify({
      extends: join(root, 'tsconfig.node.json'),
      files,
      include: [],
      compilerOptions: { typeRoots: [join(root, 'node_modules/@types')] },
    }),
  )
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', project, ...options], { cwd: root, stdio: 'inherit' })
  for (const name of declared) copyFileSync(join(types, embed, name), join(dist, name))
  for (const left of [types, project]) rmSync(left, { recursive: true })
}

function licenceText(parts: readonly ThirdParty[]): string {
  const chapters = parts.map(({ name, version: of, license, text }) => `${name} ${of} (${license})\n\n${text.trim()}\n`)
  return `The bundles hold parts of these packages.\n\n${chapters.join(`\n${'-'.repeat(78)}\n\n`)}`
}

/** The binary of the pinned package, without the entry that would put `node` on the user's path. */
function buildNode(directory: string, name: string, pinned: string): void {
  const from = join(root, 'node_modules', name)
  if (!existsSync(from)) return
  const to = join(directory, name)
  mkdirSync(join(to, 'bin'), { recursive: true })
  const { os, cpu, license, repository } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >
  const manifest = {
    name: `@strongroom/${name}`,
    version: pinned,
    description: 'Node for the server of Strongroom',
    license,
    repository,
    os: [os].flat(),
    cpu: [cpu].flat(),
    files: ['bin/node', 'LICENSE'],
  }
  writeFileSync(join(to, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  copyFileSync(join(from, 'bin/node'), join(to, 'bin/node'), constants.COPYFILE_FICLONE)
  copyFileSync(join(from, 'LICENSE'), join(to, 'LICENSE'))
}

/** Builds them in the folder, which is emptied first. */
export async function buildNpm(directory: string = npmDirectory): Promise<void> {
  const target = join(directory, 'strongroom')
  const dist = join(target, 'dist')
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(dist, { recursive: true })
  await buildPortal()
  const made = await Promise.all(bundlesIn(dist).map(async (options) => await build(options)))
  copyData(dist)
  writeTypes(directory, dist)
  const inputs = made.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}))
  const parts = thirdPartyOf(root, [...inputs, ...portalParts])
  const write = (file: string, text: string): void => writeFileSync(join(target, file), text)
  write('THIRD-PARTY-LICENSES.txt', licenceText(parts))
  write('sbom.cdx.json', billOfMaterials({ version, parts, node: optionalDependencies[nodePackage] }))
  const manifest = JSON.parse(read('packaging/npm/package.json')) as Record<string, unknown>
  const nodes = Object.fromEntries(
    Object.entries(optionalDependencies).map(([name, of]) => [`@strongroom/${name}`, of]),
  )
  write('package.json', `${JSON.stringify({ ...manifest, version, optionalDependencies: nodes }, null, 2)}\n`)
  for (const file of ['LICENSE', 'CHANGELOG.md']) copyFileSync(join(root, file), join(target, file))
  copyFileSync(join(root, 'packaging/npm/README.md'), join(target, 'README.md'))
  for (const [name, pinned] of Object.entries(optionalDependencies)) buildNode(directory, name, pinned)
}

if (import.meta.main) await buildNpm()
