import { existsSync, globSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build, type BuildOptions } from 'esbuild'
import { bundleDirectories } from '../apps/cli/src/bundle/manifest.ts'
import { placeBundle, programFile, root } from './bundle.ts'

/**
 * Bundles the command line's sources into one file, because Node would recompile them at each start. Set-up does it,
 * and `./strongroom` after the sources have changed (apps/cli/src/bundle/start.ts).
 */
const directory = join(root, bundleDirectories.cli)

const options: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  // A CommonJS program loads Node's modules when they are first needed, and node:http only in part.
  format: 'cjs',
  define: { 'import.meta.dirname': '__dirname' },
  target: 'node24',
  conditions: ['x-source'],
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: 'none',
  logLevel: 'silent',
  write: false,
}

async function bundled(file: string): Promise<{ content: Uint8Array; inputs: string[] }> {
  const made = await build({
    ...options,
    entryPoints: [join(root, file)],
    outfile: join(directory, 'out.cjs'),
    metafile: true,
  })
  return { content: made.outputFiles![0]!.contents, inputs: Object.keys(made.metafile!.inputs) }
}

export async function buildCli(): Promise<void> {
  const begun = Date.now()
  const [start, main] = await Promise.all([bundled('apps/cli/src/bundle/start.ts'), bundled('apps/cli/src/main.ts')])
  const manifests = globSync('{packages,apps}/*/package.json', { cwd: root })
  const builder = [
    'scripts/build-cli.ts',
    'scripts/bundle.ts',
    'node_modules/esbuild/package.json',
    'package-lock.json',
  ]
  const name = programFile('main.ts', main.content, 'cjs')
  if (!existsSync(join(directory, name))) rmSync(join(directory, 'compile'), { recursive: true, force: true })
  placeBundle({
    bundle: 'cli',
    begun,
    programs: { 'main.ts': name },
    files: { 'start.cjs': start.content, [name]: main.content },
    inputs: [...start.inputs, ...main.inputs, ...manifests, ...builder],
  })
  for (const old of readdirSync(directory)) if (/^main-.*\.cjs$/.test(old) && old !== name) rmSync(join(directory, old))
}

if (import.meta.main) await buildCli()
