import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { buildDeb, bundleNodeOptions, sourceDate } from './build-deb.ts'

/**
 * Makes dist/container/strongroom-VERSION.tar, an image for `podman load` and `docker load`, of Debian's packages and ours: no hub is
 * asked. It needs root (or mmdebstrap's other modes), mmdebstrap and buildah.
 *   npm run image:container
 */
const root = resolve(import.meta.dirname, '..')
export const containerDirectory: string = join(root, 'dist/container')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
export const imageName: string = `localhost/strongroom:${version}`

/** What the pinned Node is linked with, certificates of vendors, and a shell for the wrapper; their packages come along. */
const packages = ['base-files', 'ca-certificates', 'dash', 'libatomic1', 'libc6', 'libgcc-s1', 'libstdc++6']
/** A number that nobody has on a host. */
const user = 65532
const state = '/var/lib/strongroom'
const cache = '/var/cache/strongroom'

/** The file system, as a tar archive. */
function fileSystem(directory: string, deb: string, date: number): string {
  const archive = join(directory, 'root.tar')
  const folders = [state, cache].map((folder) => `install -d -m 0700 -o ${user} -g ${user} "$1${folder}"`)
  const users = [
    `echo 'strongroom:x:${user}:${user}::${state}:/usr/sbin/nologin' >"$1/etc/passwd"`,
    `echo 'strongroom:x:${user}:' >"$1/etc/group"`,
  ]
  const documents =
    'rm -rf "$1"/usr/share/doc/*/changelog* "$1"/usr/share/man "$1"/usr/share/locale "$1"/usr/share/info'
  const hooks = [`dpkg-deb -x '${deb}' "$1"`, 'mkdir -p "$1/etc" "$1/tmp"', ...users, ...folders, documents]
  execFileSync(
    'mmdebstrap',
    ['--variant=extract', '--quiet', `--include=${packages.join(',')}`, ...hooks.map((hook) => `--extract-hook=${hook}`), 'trixie', archive], // prettier-ignore
    { env: { ...process.env, SOURCE_DATE_EPOCH: String(date) }, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  return archive
}

const node = '/usr/lib/strongroom/bin/node'
/** Of this server, whatever its ports are: under `--network host` another's may have the usual ones. */
const health = [
  "const { ports } = JSON.parse(require('node:fs').readFileSync(process.env.STRONGROOM_STATE_DIR + '/server.json'))",
  "fetch('http://127.0.0.1:' + ports.local + '/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))",
].join('; ')

/** @returns path of the image */
export async function buildContainer(directory: string = containerDirectory): Promise<string> {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const date = sourceDate()
  const archive = fileSystem(directory, await buildDeb(join(directory, 'deb')), date)
  const storage = join(directory, 'storage')
  const buildah = (...args: string[]): string =>
    execFileSync('buildah', ['--root', storage, '--runroot', `${storage}-run`, '--storage-driver', 'vfs', ...args], {
      encoding: 'utf8',
      env: { ...process.env, BUILDAH_FORMAT: 'docker' },
    }).trim()
  const command = [node, ...bundleNodeOptions, '/usr/lib/strongroom/server/main.js', '--state-dir', state, '--cache-dir', cache] // prettier-ignore
  const container = buildah('from', '--format', 'docker', 'scratch')
  buildah('add', '--quiet', container, archive, '/')
  const settings = [
    ['--user', `${user}:${user}`],
    ['--entrypoint', JSON.stringify(command)],
    ['--cmd', '--compute simulated'],
    ['--volume', state],
    ['--volume', cache],
    ['--env', `HOME=${state}`],
    ['--env', `STRONGROOM_STATE_DIR=${state}`],
    ['--env', `STRONGROOM_CACHE_DIR=${cache}`],
    ['--env', 'XDG_CONFIG_HOME=/tmp'],
    ['--healthcheck', `CMD ${node} -e "${health}"`],
    ['--healthcheck-interval', '5s'],
    ['--label', `org.opencontainers.image.version=${version}`],
    ['--label', 'org.opencontainers.image.licenses=Apache-2.0'],
  ]
  buildah('config', ...settings.flat(), container)
  buildah('commit', '--quiet', '--format', 'docker', '--timestamp', String(date), container, imageName)
  const image = join(directory, `strongroom-${version}.tar`)
  buildah('push', '--quiet', imageName, `docker-archive:${image}:${imageName}`)
  for (const left of [storage, `${storage}-run`, archive, join(directory, 'deb')])
    rmSync(left, { recursive: true, force: true })
  return image
}

if (import.meta.main) process.stdout.write(`${await buildContainer()}\n`)
