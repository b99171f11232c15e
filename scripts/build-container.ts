import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileDigest } from '../apps/cli/src/release/file-digest.ts'
import { buildDeb, sourceDate } from './build-deb.ts'
import { cache, guests, node, services, state, type ContainerKind } from './container-kinds.ts'

/**
 * Builds dist/container/strongroom-VERSION.tar or, with --guests, strongroom-guests-VERSION.tar: an image for `podman
 * load` and `docker load`, made of Debian's packages and ours without a hub. Needs mmdebstrap, and root or one of
 * mmdebstrap's other modes. A second build from the same packages gives the same bytes.
 *   npm run image:container [-- --guests]
 */
const root = resolve(import.meta.dirname, '..')
export const containerDirectory: string = join(root, 'dist/container')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
export const imageNameOf = (kind: ContainerKind): string => `localhost/${kind.name}:${version}`

/** No documentation except licences, no translations, and no trace of this build. */
const leftOut = [
  ['/usr/share/doc/*/changelog*', '/usr/share/man', '/usr/share/locale', '/usr/share/info'],
  ['/var/cache/ldconfig', '/var/cache/debconf', '/var/log', '/etc/machine-id', '/var/lib/dbus/machine-id'],
].flat()

/** The file system, as a tar archive. */
function fileSystem(kind: ContainerKind, directory: string, deb: string, date: number): string {
  const archive = join(directory, 'root.tar')
  const { user } = kind
  const folders = [state, cache].map((folder) => `install -d -m 0700 -o ${user} -g ${user} "$1${folder}"`)
  const users = [
    `echo 'strongroom:x:${user}:${user}::${state}:/usr/sbin/nologin' >"$1/etc/passwd"`,
    `echo 'strongroom:x:${user}:' >"$1/etc/group"`,
  ]
  const clean = `cd "$1" && rm -rf ${leftOut.map((path) => `.${path}`).join(' ')} && install -d ./var/log`
  const hooks = [
    `dpkg-deb -x '${deb}' "$1"`,
    'mkdir -p "$1/etc" "$1/tmp"',
    ...(user === 0 ? [] : users),
    ...folders,
    clean,
  ]
  const hook = kind.variant === 'extract' ? 'extract' : 'customize'
  execFileSync(
    'mmdebstrap',
    [
      `--variant=${kind.variant}`,
      '--quiet',
      `--include=${kind.packages.join(',')}`,
      ...hooks.map((each) => `--${hook}-hook=${each}`),
      'trixie',
      archive,
    ],
    { env: { ...process.env, SOURCE_DATE_EPOCH: String(date) }, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  return archive
}

/** This server, whatever its ports are: under `--network host` another one may have the usual ones. */
const health = [
  "const { ports } = JSON.parse(require('node:fs').readFileSync(process.env.STRONGROOM_STATE_DIR + '/server.json'))",
  "fetch('http://127.0.0.1:' + ports.local + '/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))",
].join('; ')

/** How the image runs, in the form of Docker's image specification, which has a health check; OCI's does not. */
const settingsOf = (kind: ContainerKind): object => ({
  User: `${kind.user}:${kind.user}`,
  Env: Object.entries({
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: state,
    STRONGROOM_STATE_DIR: state,
    STRONGROOM_CACHE_DIR: cache,
    XDG_CONFIG_HOME: '/tmp',
    ...kind.variables,
  }).map((each) => each.join('=')),
  Entrypoint: kind.entrypoint,
  Cmd: kind.command,
  Volumes: { [state]: {}, [cache]: {} },
  WorkingDir: '/',
  Healthcheck: { Test: ['CMD', node, '-e', health], Interval: 5_000_000_000 },
  Labels: { 'org.opencontainers.image.version': version, 'org.opencontainers.image.licenses': 'Apache-2.0' },
})
const architectures: Record<string, string> = { x64: 'amd64' }

/** What `podman load` takes: the layer, its description, and the index. */
async function archiveOf(kind: ContainerKind, directory: string, layer: string, date: number): Promise<string> {
  const digest = await fileDigest(layer)
  const created = new Date(date * 1000).toISOString()
  const description = {
    architecture: architectures[process.arch] ?? process.arch,
    os: 'linux',
    created,
    config: settingsOf(kind),
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest}`] },
    history: [{ created, created_by: 'scripts/build-container.ts' }],
  }
  const files = join(directory, 'archive')
  mkdirSync(files)
  renameSync(layer, join(files, `${digest}.tar`))
  const config = `${createHash('sha256').update(JSON.stringify(description)).digest('hex')}.json`
  writeFileSync(join(files, config), JSON.stringify(description))
  writeFileSync(
    join(files, 'manifest.json'),
    JSON.stringify([{ Config: config, RepoTags: [imageNameOf(kind)], Layers: [`${digest}.tar`] }]),
  )
  const image = join(directory, `${kind.name}-${version}.tar`)
  const same = [
    '--sort=name',
    `--mtime=@${date}`,
    '--owner=0',
    '--group=0',
    '--numeric-owner',
    '--mode=0644',
    '--format=ustar',
  ]
  execFileSync('tar', [
    '--create',
    '--file',
    image,
    '--directory',
    files,
    ...same,
    config,
    `${digest}.tar`,
    'manifest.json',
  ])
  rmSync(files, { recursive: true })
  return image
}

/**
 * @param o.deb our Debian package if it is already built
 * @returns path of the image
 */
export async function buildContainer(
  directory: string = containerDirectory,
  o: { kind?: ContainerKind; deb?: string } = {},
): Promise<string> {
  const { kind = services, deb } = o
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const date = sourceDate()
  const built = join(directory, 'deb')
  const layer = fileSystem(kind, directory, deb ?? (await buildDeb(built)), date)
  rmSync(built, { recursive: true, force: true })
  return await archiveOf(kind, directory, layer, date)
}

if (import.meta.main) {
  const kind = process.argv.includes('--guests') ? guests : services
  process.stdout.write(`${await buildContainer(containerDirectory, { kind })}\n`)
}
