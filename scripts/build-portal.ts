import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { constants, gzipSync } from 'node:zlib'
import { build, type BuildOptions } from 'esbuild'

/**
 * Builds the portal's files from apps/portal: modules that are loaded on demand, named by their digest, each with a
 * compressed copy. Set-up does it; without changed inputs it takes no time.
 */
const root = resolve(import.meta.dirname, '..')
const directory = join(root, 'apps/portal/dist')
/** Third-party packages that the files contain. */
export const portalParts: readonly string[] = ['preact', '@preact/signals', '@preact/signals-core'].map(
  (name) => `node_modules/${name}/package.json`,
)
const stampFile = 'inputs.sha256'

/** Of everything that goes into the files. */
function digestOfInputs(): string {
  const patterns = ['apps/portal/{src/**,static/**,package.json}', 'packages/*/{src/**,package.json}']
  const files = globSync([...patterns, 'scripts/build-portal.ts', 'package-lock.json'], {
    cwd: root,
    withFileTypes: true,
  })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
  const hash = createHash('sha256')
  for (const file of files)
    hash
      .update(`${file.slice(root.length)}\0`)
      .update(readFileSync(file))
      .update('\0')
  return hash.digest('hex')
}

/** How code of apps/portal becomes browser modules; the caller gives entry points and folder. */
export const browserSettings: BuildOptions & { metafile: true; write: false } = {
  absWorkingDir: root,
  entryNames: 'assets/[name]-[hash]',
  chunkNames: 'assets/[name]-[hash]',
  assetNames: 'assets/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'browser',
  target: 'es2024',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  conditions: ['x-source'],
  minify: true,
  legalComments: 'none',
  metafile: true,
  write: false,
  logLevel: 'silent',
}

/** @returns whether anything was built */
export async function buildPortal(): Promise<boolean> {
  const digest = digestOfInputs()
  const stamp = join(directory, stampFile)
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) return false
  const { outputFiles, metafile } = await build({
    ...browserSettings,
    entryPoints: { main: 'apps/portal/src/main.tsx', style: 'apps/portal/src/style/style.css' },
    outdir: directory,
  })
  const made = Object.entries(metafile.outputs)
  const nameOf = (entry: string): string =>
    `/${made.find(([, output]) => output.entryPoint === entry)![0].slice('apps/portal/dist/'.length)}`
  const page = readFileSync(join(root, 'apps/portal/static/index.html'), 'utf8')
    .replace('/main.js', nameOf('apps/portal/src/main.tsx'))
    .replace('/style.css', nameOf('apps/portal/src/style/style.css'))
  // Built aside, then moved into place: a server never sees half of it.
  const partial = `${directory}.${process.pid}`
  const place = (name: string, content: string | Uint8Array): void => {
    const file = join(partial, name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, content)
    if (/\.(js|css|html)$/.test(name))
      writeFileSync(`${file}.gz`, gzipSync(content, { level: constants.Z_BEST_COMPRESSION }))
  }
  for (const { path, contents } of outputFiles) place(path.slice(directory.length + 1), contents)
  place('index.html', page)
  place('icon.svg', readFileSync(join(root, 'apps/portal/static/icon.svg')))
  place(stampFile, digest)
  takePlace(partial, () => existsSync(stamp) && readFileSync(stamp, 'utf8') === digest)
  return true
}

/**
 * Moves the built files into place by renaming only: tests start in parallel, and must never see files that another
 * process is adding or removing.
 * @param made whether the files there are from this process; otherwise another one was first
 */
function takePlace(partial: string, made: () => boolean): void {
  const before = `${partial}.before`
  try {
    for (;;) {
      try {
        renameSync(partial, directory)
        return
      } catch (error) {
        if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
      }
      if (made()) return
      rmSync(before, { recursive: true, force: true })
      try {
        renameSync(directory, before)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      }
    }
  } finally {
    for (const each of [partial, before]) rmSync(each, { recursive: true, force: true })
  }
}

if (import.meta.main) await buildPortal()
