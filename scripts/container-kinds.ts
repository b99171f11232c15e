import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { bundleNodeOptions } from './build-deb.ts'

/** A container image that we build: what it contains besides our Debian package, and how it runs. */
export interface ContainerKind {
  name: string
  /** mmdebstrap's variant; `extract` configures nothing and has no package manager. */
  variant: 'extract' | 'apt'
  /** Debian's packages; their dependencies are added. */
  packages: readonly string[]
  user: number
  entrypoint: readonly string[]
  command: readonly string[]
  variables: Readonly<Record<string, string>>
}

export const state = '/var/lib/strongroom'
export const cache = '/var/cache/strongroom'
export const node = '/usr/lib/strongroom/bin/node'
const root = resolve(import.meta.dirname, '..')
/** What the pinned Node links with, vendors' certificates, and a shell for the wrapper. */
const forNode = ['base-files', 'ca-certificates', 'dash', 'libatomic1', 'libc6', 'libgcc-s1', 'libstdc++6']
const forGuests = readFileSync(join(root, 'scripts/packages.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))

/** VMs without guests, for tests and CI; its user id belongs to nobody on a host. */
export const services: ContainerKind = {
  name: 'strongroom',
  variant: 'extract',
  packages: forNode,
  user: 65_532,
  entrypoint: [
    node,
    ...bundleNodeOptions,
    '/usr/lib/strongroom/server/main.js',
    '--state-dir',
    state,
    '--cache-dir',
    cache,
  ],
  command: ['--compute', 'simulated'],
  variables: {},
}

/** Guests that boot. Runs as root of the container: it builds images of Debian's packages, and gives each boot a separate user. */
export const guests: ContainerKind = {
  name: 'strongroom-guests',
  variant: 'apt',
  packages: [...forNode, ...forGuests],
  user: 0,
  entrypoint: ['/usr/bin/strongroom'],
  command: ['up'],
  // A container's output is kept in its log.
  variables: { STRONGROOM_HIDE_OWNER_SECRET: '1' },
}
