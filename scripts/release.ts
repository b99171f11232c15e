import { execFileSync } from 'node:child_process'
import type { KeyObject } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ed25519KeyOf, sealed } from '../apps/cli/src/release/envelope.ts'
import { fileDigest } from '../apps/cli/src/release/file-digest.ts'
import { statementOf } from '../apps/cli/src/release/statement.ts'
import { buildContainer } from './build-container.ts'
import { buildDeb } from './build-deb.ts'
import { buildNpm, nodePackage } from './build-npm.ts'
import { buildPackages, published } from './build-packages.ts'
import { guests, services } from './container-kinds.ts'

/**
 * Builds the release in dist/release: npm tarballs, Debian package, container images, and the signed statement of what
 * they were built from. FILEs (a guest image, for one) are added to the statement unchanged.
 *   npm run release -- --key KEY.pem --builder ID [--source ADDRESS] [FILE…]
 * KEY.pem is an Ed25519 key that the releaser keeps, ID an address that names the builder. `strongroom release verify`
 * verifies it.
 */
const root = resolve(import.meta.dirname, '..')
export const releaseDirectory: string = join(root, 'dist/release')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }

/** Packs an npm package from one folder into another. */
function pack(from: string, to: string): void {
  execFileSync('npm', ['pack', '--pack-destination', to, '--loglevel=error'], {
    cwd: from,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

/**
 * Builds the whole release into the folder, which is emptied first.
 * @returns paths of the files
 */
export async function buildRelease(directory: string = releaseDirectory): Promise<string[]> {
  const work = join(directory, 'work')
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  buildPackages()
  await buildNpm(join(work, 'npm'))
  const folders = [
    ...published.map((name) => join(root, 'packages', name)),
    ...['strongroom', nodePackage].map((name) => join(work, 'npm', name)),
  ]
  for (const folder of folders) pack(folder, directory)
  const deb = await buildDeb(join(work, 'deb'))
  const images = []
  for (const kind of [services, guests]) images.push(await buildContainer(join(work, kind.name), { kind, deb }))
  for (const made of [deb, ...images]) renameSync(made, join(directory, basename(made)))
  rmSync(work, { recursive: true })
  return readdirSync(directory).map((name) => join(directory, name))
}

/**
 * The commit whose files, and no others, the tree contains; a version with a tag, `v0.1.0`, is released from that
 * commit only.
 * @throws Error if files differ from it, or the version's tag is on another
 */
export function commitIn(tree: string): string {
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: tree, encoding: 'utf8' }).trim()
  const changed = git('status', '--porcelain')
  if (changed !== '')
    throw new Error(
      `A release is made from a commit, and these files differ from it; commit or remove them:\n${changed}`,
    )
  const commit = git('rev-parse', 'HEAD')
  const tag = `v${version}`
  const [tagged] = git('for-each-ref', '--format=%(objectname) %(*objectname)', `refs/tags/${tag}`).split(' ').slice(-1)
  if (tagged !== undefined && tagged !== '' && tagged !== commit)
    throw new Error(
      `${tag} is the tag of ${tagged}, and this is ${commit}: a version is released once. Check the tag out, or raise the version.`,
    )
  return commit
}

/** The signed statement about files, as written to a file. */
export async function provenance(
  files: readonly string[],
  o: { key: KeyObject; commit: string; builder: string; source: string },
): Promise<string> {
  const lockFile = await fileDigest(join(root, 'package-lock.json'))
  const subjects = files.map(async (file) => ({ name: basename(file), sha256: await fileDigest(file) }))
  const { key, commit, builder, source } = o
  return sealed(statementOf(await Promise.all(subjects), { version, commit, lockFile, builder, source }), key)
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      key: { type: 'string' },
      builder: { type: 'string' },
      source: { type: 'string', default: 'urn:strongroom:source' },
    },
  })
  const { key: keyPath, builder, source } = values
  if (keyPath === undefined || builder === undefined)
    throw new Error('Name the key that signs and who builds: --key FILE --builder ADDRESS.')
  // Checked before anything is built: a release needs its statement.
  const key = ed25519KeyOf(readFileSync(keyPath), 'private', keyPath)
  const commit = commitIn(root)
  const files = [...(await buildRelease()), ...positionals.map((file) => resolve(file))]
  const statement = join(releaseDirectory, `strongroom-${version}.provenance.json`)
  writeFileSync(statement, await provenance(files, { key, commit, builder, source }))
  process.stdout.write(`${[...files, statement].join('\n')}\n`)
}

if (import.meta.main) {
  await main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
  })
}
