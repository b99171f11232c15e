import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileDigest } from '../apps/cli/src/release/file-digest.ts'
import { buildDeb, bundleNodeOptions, sourceDate } from './build-deb.ts'

/**
 * Makes dist/container/strongroom-VERSION.tar, an image for `podman load` and `docker load`, of Debian's packages and ours: no hub is
 * asked. It needs root (or mmdebstrap's other modes) and mmdebstrap. Built again of the same packages it is the same bytes.
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

/** How the image runs, as Docker's image specification has it, whose health check OCI's has not. */
const settings = {
  User: `${user}:${user}`,
  Env: Object.entries({
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: state,
    STRONGROOM_STATE_DIR: state,
    STRONGROOM_CACHE_DIR: cache,
    XDG_CONFIG_HOME: '/tmp',
  }).map((each) => each.join('=')),
  Entrypoint: [node, ...bundleNodeOptions, '/usr/lib/strongroom/server/main.js', '--state-dir', state, '--cache-dir', cache], // prettier-ignore
  Cmd: ['--compute', 'simulated'],
  Volumes: { [state]: {}, [cache]: {} },
  WorkingDir: '/',
  Healthcheck: { Test: ['CMD', node, '-e', health], Interval: 5_000_000_000 },
  Labels: { 'org.opencontainers.image.version': version, 'org.opencontainers.image.licenses': 'Apache-2.0' },
}
const architectures: Record<string, string> = { x64: 'amd64' }

/** What `podman load` takes: the layer, its description, and which is which. */
async function archiveOf(directory: string, layer: string, date: number): Promise<string> {
  const digest = await fileDigest(layer)
  const created = new Date(date * 1000).toISOString()
  const description = {
    architecture: architectures[process.arch] ?? process.arch,
    os: 'linux',
    created,
    config: settings,
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
    history: [{ created, created_by: 'scripts/build-container.ts' }],
  }
  const files = join(directory, 'archive')
  mkdirSync(files)
  renameSync(layer, join(files, `${digest}.tar`))
  const config = `${createHash('sha256').update(JSON.stringify(description)).digest('hex')}.json`
  writeFileSync(join(files, config), JSON.stringify(description))
  writeFileSync(join(files, 'manifest.json'), JSON.stringify([{ Config: config, RepoTags: [imageName], Layers: [`${digest}.tar`] }])) // prettier-ignore
  const image = join(directory, `strongroom-${version}.tar`)
  const same = ['--sort=name', `--mtime=@${date}`, '--owner=0', '--group=0', '--numeric-owner', '--mode=0644', '--format=ustar'] // prettier-ignore
  execFileSync('tar', ['--create', '--file', image, '--directory', files, ...same, config, `${digest}.tar`, 'manifest.json']) // prettier-ignore
  rmSync(files, { recursive: true })
  return image
}

/**
 * @param deb our Debian package where it is built already
 * @returns path of the image
 */
export async function buildContainer(directory: string = containerDirectory, deb?: string): Promise<string> {
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const date = sourceDate()
  const built = join(directory, 'deb')
  const layer = fileSystem(directory, deb ?? (await buildDeb(built)), date)
  rmSync(built, { recursive: true, force: true })
  return await archiveOf(directory, layer, date)
}

if (import.meta.main) process.stdout.write(`${await buildContainer()}\n`)
