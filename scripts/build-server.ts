import { globSync, readdirSync, rmSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { build } from 'esbuild'
import { bundleDirectories } from '../apps/cli/src/bundle/manifest.ts'
import { placeBundle, programFile, root } from './bundle.ts'
import { serverBundle, serverPrograms } from './server-bundle.ts'

/**
 * Bundles each program of strongroomd into one file, which starts in half of the time that a thousand modules take.
 * Set-up does it, and whatever starts a server after the sources have changed (apps/cli/src/bundle/program.ts).
 */
const directory = join(root, bundleDirectories.server)
/** Of each program. A process that is about to start, or was found by another, may still read an older one. */
const kept = 4

export async function buildServer(): Promise<void> {
  const begun = Date.now()
  // Not minified: stacks stay readable. The sources' data files are read where they are.
  const made = await build({
    ...serverBundle('../../..'),
    logLevel: 'silent',
    write: false,
    outdir: join(directory, 'out'),
  })
  const programs: Record<string, string> = {}
  const files: Record<string, Uint8Array> = {}
  for (const { path, contents } of made.outputFiles) {
    const source = `${basename(path, '.js')}.ts`
    programs[source] = programFile(source, contents, 'js')
    files[programs[source]] = contents
  }
  // Descriptions of resource types are found by name.
  const folders = globSync('services/control-plane/src/**/', { cwd: root })
  const manifests = globSync('{packages,services,apps}/*/package.json', { cwd: root })
  const builder = ['build-server', 'server-bundle', 'bundle'].map((name) => `scripts/${name}.ts`)
  const inputs = Object.keys(made.metafile?.inputs ?? {})
  placeBundle({
    bundle: 'server',
    begun,
    programs,
    files,
    inputs: [...inputs, ...folders, ...manifests, ...builder, 'node_modules/esbuild/package.json', 'package-lock.json'],
  })
  removeOld()
}

function removeOld(): void {
  for (const source of serverPrograms) {
    const prefix = `${basename(source, '.ts')}-`
    const found = readdirSync(directory).filter(
      (file) => file.startsWith(prefix) && /^[0-9a-f]{16}\.js$/.test(file.slice(prefix.length)),
    )
    const written = new Map(found.map((file) => [file, statSync(join(directory, file)).mtimeMs]))
    const byAge = found.toSorted((a, b) => written.get(b)! - written.get(a)!)
    for (const old of byAge.slice(kept)) rmSync(join(directory, old), { force: true })
  }
}

if (import.meta.main) await buildServer()
