import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { serverNodeOptions } from '../apps/cli/src/up/server-command.ts'
import { buildNpm, nodePackage } from './build-npm.ts'

/**
 * Builds dist/deb/strongroom_VERSION_ARCH.deb with debhelper from the bundles of the npm package.
 *   npm run package:deb
 */
const root = resolve(import.meta.dirname, '..')
export const debDirectory: string = join(root, 'dist/deb')
/** What every Debian has, or what the package depends on. */
const everywhere = ['ca-certificates', 'util-linux']
const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const { version } = JSON.parse(read('package.json')) as { version: string }

/** Node's options for the server when it runs from its bundle. */
export const bundleNodeOptions: string[] = serverNodeOptions.filter((option) => !option.startsWith('--conditions'))

const list = (file: string): string[] =>
  read(file)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))

/** Date of the commit, or of a tarball's release, so that a second build gives the same bytes. */
export function sourceDate(): number {
  const given = process.env['SOURCE_DATE_EPOCH']
  if (given !== undefined) return Number(given)
  return Number(execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }))
}

function changelog(date: number): string {
  const when = new Date(date * 1000).toUTCString().replace('GMT', '+0000')
  return (
    `strongroom (${version}) unstable; urgency=medium\n` +
    '\n  * RELEASES.md beside this file says what is new.\n' +
    `\n -- Strongroom developers <strongroom@strongroom.invalid>  ${when}\n`
  )
}

function copyright(npmDirectory: string): string {
  const parts = readFileSync(join(npmDirectory, 'strongroom/THIRD-PARTY-LICENSES.txt'), 'utf8')
  const indented = (text: string): string =>
    text
      .trim()
      .split('\n')
      .map((line) => (line.trim() === '' ? ' .' : ` ${line}`))
      .join('\n')
  const apache = ' On Debian systems the full text is in /usr/share/common-licenses/Apache-2.0.'
  return [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: strongroom',
    `Files: *\nCopyright: Strongroom developers\nLicense: Apache-2.0\n${apache}`,
    'Files: root/usr/lib/strongroom/bin/node\n' +
      'Copyright: Node.js contributors\nLicense: Node\n' +
      ' See /usr/share/doc/strongroom/LICENSE.node.gz or, uncompressed, /usr/share/doc/strongroom/LICENSE.node.',
    'Files: root/usr/lib/strongroom/*.cjs root/usr/lib/strongroom/server/*\n' +
      'Copyright: the authors named below\nLicense: bundled\n' +
      indented(parts),
  ].join('\n\n')
}

/** debian/ with the values from the sources filled in. */
function writeDebian(to: string, npmDirectory: string, date: number): void {
  const values: Record<string, string> = {
    '@VERSION@': version,
    '@NODE_OPTIONS@': bundleNodeOptions.join(' '),
    '@RECOMMENDS@': list('scripts/packages.txt')
      .filter((name) => !everywhere.includes(name))
      .join(', '),
  }
  cpSync(join(root, 'packaging/debian'), to, { recursive: true })
  for (const name of readdirSync(to)) {
    const text = readFileSync(join(to, name), 'utf8')
    writeFileSync(
      join(to, name),
      Object.entries(values).reduce((filled, [key, value]) => filled.replaceAll(key, value), text),
    )
  }
  mkdirSync(join(to, 'source'))
  writeFileSync(join(to, 'source/format'), '3.0 (native)\n')
  writeFileSync(join(to, 'changelog'), changelog(date))
  writeFileSync(join(to, 'copyright'), `${copyright(npmDirectory)}\n`)
}

/**
 * Builds it in the folder, and leaves only the package and its records there.
 * @returns path of the package
 */
export async function buildDeb(directory: string = debDirectory): Promise<string> {
  const npmDirectory = join(directory, 'npm')
  await buildNpm(npmDirectory)
  const date = sourceDate()
  const tree = join(directory, `strongroom-${version}`)
  rmSync(tree, { recursive: true, force: true })
  const library = join(tree, 'root/usr/lib/strongroom')
  mkdirSync(join(library, 'bin'), { recursive: true })
  mkdirSync(join(tree, 'root/usr/bin'), { recursive: true })
  mkdirSync(join(tree, 'root/usr/share/doc/strongroom'), { recursive: true })
  for (const part of ['cli.cjs', 'server', 'data'])
    cpSync(join(npmDirectory, 'strongroom/dist', part), join(library, part), { recursive: true })
  cpSync(join(npmDirectory, nodePackage, 'bin/node'), join(library, 'bin/node'))
  cpSync(join(npmDirectory, nodePackage, 'LICENSE'), join(tree, 'root/usr/share/doc/strongroom/LICENSE.node'))
  cpSync(join(root, 'CHANGELOG.md'), join(tree, 'root/usr/share/doc/strongroom/RELEASES.md'))
  writeDebian(join(tree, 'debian'), npmDirectory, date)
  cpSync(join(tree, 'debian/strongroom'), join(tree, 'root/usr/bin/strongroom'))
  rmSync(join(tree, 'debian/strongroom'))
  // A checkout's file modes follow its umask.
  for (const file of globSync('root/**/*', { cwd: tree })) {
    const path = join(tree, file)
    chmodSync(path, statSync(path).isDirectory() || (statSync(path).mode & 0o100) !== 0 ? 0o755 : 0o644)
  }
  const architecture = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim()
  execFileSync(
    'dpkg-buildpackage',
    ['--build=binary', '--unsigned-source', '--unsigned-changes', '--no-check-builddeps'],
    {
      cwd: tree,
      env: { ...process.env, SOURCE_DATE_EPOCH: String(date), DEB_BUILD_OPTIONS: 'nocheck noautodbgsym' },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  )
  for (const left of [tree, npmDirectory]) rmSync(left, { recursive: true })
  return join(directory, `strongroom_${version}_${architecture}.deb`)
}

if (import.meta.main) process.stdout.write(`${await buildDeb()}\n`)
