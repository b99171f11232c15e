import { execFileSync, spawn, spawnSync, type ChildProcess, type SpawnSyncReturns } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { processesIn } from './stranger.ts'

/** A podman with storage of its own, which knows no image and no container of this machine's. runc runs on every layout of control groups. */
export class Engine {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'strongroom-engine-'))
  readonly socket: string = join(this.directory, 'podman.sock')
  #service: ChildProcess | undefined

  readonly #options = [
    ['--runtime', 'runc', '--cgroup-manager', 'cgroupfs', '--storage-driver', 'overlay'],
    ['--root', join(this.directory, 'storage'), '--runroot', join(this.directory, 'run')],
    ['--tmpdir', join(this.directory, 'tmp'), '--network-config-dir', join(this.directory, 'networks')],
  ].flat()

  readonly #environment = { ...process.env, PODMAN_IGNORE_CGROUPSV1_WARNING: '1' }

  podman(...args: string[]): SpawnSyncReturns<string> {
    return spawnSync('podman', [...this.#options, ...args], { encoding: 'utf8', env: this.#environment })
  }

  /** @throws Error with what podman said */
  must(...args: string[]): string {
    return execFileSync('podman', [...this.#options, ...args], { encoding: 'utf8', env: this.#environment }).trim()
  }

  /** Serves podman's API, as its systemd unit does, to root alone. */
  async serve(): Promise<void> {
    const args = [...this.#options, 'system', 'service', '--time', '0', `unix://${this.socket}`]
    this.#service = spawn('podman', args, { stdio: 'ignore', env: this.#environment })
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
    // What ends a container's monitor is a podman too, which would make the folder again.
    for (let left = 200; left > 0 && processesIn(this.directory).length > 0; left--) await sleep(100)
    // Storage of this engine alone; its mounts have to go before its folder.
    this.podman('unmount', '--all')
    spawnSync('umount', [join(this.directory, 'storage/overlay')])
    rmSync(this.directory, { recursive: true, force: true })
  }
}
