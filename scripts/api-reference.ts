import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { documentedEntries } from './published-exports.ts'

/**
 * Builds the HTML reference of the published packages from their docstrings.
 *   npm run docs:api [FOLDER]
 * TypeDoc uses the compiler's API, which this repository's compiler lacks: on first use, both are installed in a
 * separate folder from their lock file.
 */
const root = resolve(import.meta.dirname, '..')
const tool = join(import.meta.dirname, 'api-reference')
const folder = resolve(process.argv[2] ?? join(root, '.cache/api'))

const run = (command: string, args: readonly string[]): void =>
  void execFileSync(command, args, { cwd: tool, stdio: 'inherit' })

const locked = JSON.parse(readFileSync(join(tool, 'package.json'), 'utf8')) as {
  devDependencies: Record<string, string>
}
const installed = (name: string): string | undefined => {
  const manifest = join(tool, 'node_modules', name, 'package.json')
  return existsSync(manifest) ? (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version : undefined
}
if (Object.entries(locked.devDependencies).some(([name, version]) => installed(name) !== version))
  run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'])

const entries = documentedEntries().flatMap(({ source }) => ['--entryPoints', relative(tool, source)])
const options = [
  '--name',
  'Strongroom',
  '--readme',
  'none',
  '--disableSources',
  '--treatWarningsAsErrors',
  '--out',
  folder,
]
run(process.execPath, [join(tool, 'node_modules/typedoc/bin/typedoc'), ...options, ...entries])
