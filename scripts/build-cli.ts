import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build, type BuildOptions } from 'esbuild'
import { bundleDirectory, manifestFile, stampOf, type BundleManifest } from '../apps/cli/src/bundle/manifest.ts'

/**
 * Bundles the command line's sources into one file, because Node would recompile them at each start. Set-up does it,
 * and `./strongroom` after the sources have changed (apps/cli/src/bundle/start.ts).
 */
const root = resolve(import.meta.dirname, '..')
const directory = join(root, bundleDirectory)
/** A file's times advance by the tick of the kernel's clock. */
const tickMilliseconds = 20

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

/** The file appears whole or not at all. */
function place(name: string, content: string | Uint8Array): void {
  const partial = join(directory, `${name}.${process.pid}`)
  writeFileSync(partial, content)
  renameSync(partial, join(directory, name))
}

async function bundled(file: string): Promise<{ content: Uint8Array; inputs: string[] }> {
  const made = await build({ ...options, entryPoints: [join(root, file)], outfile: join(directory, 'out.cjs'), metafile: true }) // prettier-ignore
  return { content: made.outputFiles![0]!.contents, inputs: Object.keys(made.metafile!.inputs) }
}

export async function buildCli(): Promise<void> {
  const begun = Date.now()
  const [start, main] = await Promise.all([bundled('apps/cli/src/bundle/start.ts'), bundled('apps/cli/src/main.ts')])
  const manifests = globSync('{packages,apps}/*/package.json', { cwd: root })
  const builder = ['scripts/build-cli.ts', 'node_modules/esbuild/package.json', 'package-lock.json']
  const inputs = [...new Set([...start.inputs, ...main.inputs, ...manifests, ...builder])]
  const changed = inputs.filter((file) => statSync(join(root, file)).ctimeMs > begun - tickMilliseconds)
  if (changed.length > 0) throw new Error(`changed while the bundle was made: ${changed.join(', ')}`)
  const name = `main-${createHash('sha256').update(main.content).digest('hex').slice(0, 16)}.cjs`
  const manifest: BundleManifest = {
    main: name,
    inputs: Object.fromEntries(inputs.map((file) => [file, stampOf(join(root, file))])),
  }
  mkdirSync(directory, { recursive: true })
  place('start.cjs', start.content)
  if (!existsSync(join(directory, name))) rmSync(join(directory, 'compile'), { recursive: true, force: true })
  place(name, main.content)
  place(manifestFile, JSON.stringify(manifest))
  for (const old of readdirSync(directory)) if (/^main-.*\.cjs$/.test(old) && old !== name) rmSync(join(directory, old))
}

if (import.meta.main) await buildCli()
