import { execFileSync, spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'

export const versionOf = (deb: string): string =>
  execFileSync('dpkg-deb', ['-f', deb, 'Version'], { encoding: 'utf8' }).trim()

/**
 * The same package under another version, in a folder.
 * @returns its file name
 */
export function reversioned(deb: string, other: string, folder: string): string {
  const version = versionOf(deb)
  const tree = mkdtempSync(join(tmpdir(), 'strongroom-deb-tree-'))
  try {
    execFileSync('dpkg-deb', ['-R', deb, tree])
    for (const file of ['control', 'preinst']) {
      const path = join(tree, 'DEBIAN', file)
      writeFileSync(path, readFileSync(path, 'utf8').replaceAll(version, other))
    }
    const name = `strongroom_${other}.deb`
    execFileSync('dpkg-deb', ['-Znone', '-b', tree, join(folder, name)], { stdio: 'ignore' })
    return name
  } finally {
    rmSync(tree, { recursive: true })
  }
}

type Network = 'own' | 'host'

/** A fresh Debian 13 in a folder, with apt and nothing of ours. Its commands see no process of this machine. */
export class FreshDebian {
  readonly root: string

  constructor(root: string) {
    this.root = root
    execFileSync('mmdebstrap', ['--variant=apt', '--quiet', 'trixie', root], { stdio: ['ignore', 'ignore', 'inherit'] })
    mkdirSync(join(root, 'packages'))
    const { status, stdout } = this.apt('update')
    if (status !== 0) throw new Error(stdout)
  }

  /** @param network `own` has only a loopback interface */
  shell(line: string, network: Network = 'own'): SpawnSyncReturns<string> {
    const mounts = 'mount -t proc proc "$0/proc" && mkdir -p "$0/dev/shm" && mount -t tmpfs tmpfs "$0/dev/shm"'
    const script = `ip link set lo up; ${mounts} && exec chroot "$0" sh -c "$1"`
    const own = network === 'own' ? ['--net'] : []
    return spawnSync(
      'unshare',
      ['--mount', '--pid', '--fork', '--kill-child', ...own, 'sh', '-c', script, this.root, line],
      {
        encoding: 'utf8',
        env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' },
      },
    )
  }

  apt(what: string, recommends: 'with' | 'without' = 'without'): SpawnSyncReturns<string> {
    const option = recommends === 'without' ? '--no-install-recommends' : ''
    return this.shell(`apt-get -qq -y ${option} ${what} 2>&1`, 'host')
  }

  /** @returns the file's path inside it */
  take(file: string): string {
    execFileSync('cp', [file, join(this.root, 'packages')])
    return `/packages/${basename(file)}`
  }
}
