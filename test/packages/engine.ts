import { execFileSync, spawn, spawnSync, type ChildProcess, type SpawnSyncReturns } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { OrdinaryUser } from './ordinary-user.ts'
import { processesIn } from './stranger.ts'

/** A podman with separate storage, without images or containers of this machine. runc works with every cgroup layout. */
export class Engine {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'strongroom-engine-'))
  readonly socket: string = join(this.directory, 'podman.sock')
  #service: ChildProcess | undefined

  readonly #options = [
    ['--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--storage-driver', 'overlay'],
    ['--root', join(this.directory, 'storage'), '--runroot', join(this.directory, 'run')],
    ['--tmpdir', join(this.directory, 'tmp'), '--network-config-dir', join(this.directory, 'networks')],
  ].flat()

  readonly #user: OrdinaryUser | undefined
  readonly #command: string[]
  readonly #how: { encoding: 'utf8'; cwd: string; env: NodeJS.ProcessEnv }

  /** @param user the engine's user; root when omitted */
  constructor(user?: OrdinaryUser) {
    this.#user = user
    const own = { ...process.env, PODMAN_IGNORE_CGROUPSV1_WARNING: '1' }
    const runtime = join(this.directory, 'runtime')
    this.#how = {
      encoding: 'utf8',
      cwd: this.directory,
      env: user === undefined ? own : { ...own, HOME: this.directory, XDG_RUNTIME_DIR: runtime },
    }
    this.#command = [...(user?.prefix ?? []), 'podman', ...this.#options]
    if (user === undefined) return
    mkdirSync(runtime, { mode: 0o700 })
    for (const folder of [this.directory, runtime]) chownSync(folder, user.uid, user.gid)
  }

  podman(...args: string[]): SpawnSyncReturns<string> {
    return spawnSync(this.#command[0]!, [...this.#command.slice(1), ...args], this.#how)
  }

  /** @throws Error with what podman said */
  must(...args: string[]): string {
    return execFileSync(this.#command[0]!, [...this.#command.slice(1), ...args], this.#how).trim()
  }

  /** Serves podman's API to root only, as its systemd unit does. */
  async serve(): Promise<void> {
    const [file, ...args] = [...this.#command, 'system', 'service', '--time', '0', `unix://${this.socket}`]
    this.#service = spawn(file!, args, { stdio: 'ignore', env: this.#how.env })
    for (let left = 200; !existsSync(this.socket); left--) {
      if (left === 0 || this.#service.exitCode !== null) throw new Error('podman does not serve its API')
      await sleep(50)
    }
  }

  async close(): Promise<void> {
    this.podman('rm', '--all', '--force', '--volumes', '--time', '2')
    if (this.#service?.exitCode === null) {
      this.#service.kill()
      await once(this.#service, 'exit')
    }
    this.podman('network', 'prune', '--force')
    // A container's monitor ends through podman too, which would create the folder again.
    for (let left = 200; left > 0 && processesIn(this.directory).length > 0; left--) await sleep(100)
    // This engine's storage only; its mounts must go before its folder.
    this.podman('unmount', '--all')
    spawnSync('umount', [join(this.directory, 'storage/overlay')])
    // Last: ends the process that keeps a rootless user's namespaces; any other command would start it again. As root
    // it would mount the storage again.
    if (this.#user !== undefined) this.podman('system', 'migrate')
    rmSync(this.directory, { recursive: true, force: true })
  }
}
