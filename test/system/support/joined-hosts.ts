import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { AddedHost } from '@strongroom/contract'
import { freePort } from '@strongroom/platform'
import type { TestInstallation } from './installation.ts'

const root = resolve(import.meta.dirname, '../../..')
const ip = async (...args: string[]): Promise<unknown> => await promisify(execFile)('ip', args)

/**
 * Machines beside the server's: each a `strongroom host join` in a network namespace of its own where the test is root, which reaches
 * the server over a bridge and nothing else of the machine's network.
 */
export class JoinedHosts {
  readonly #installation: TestInstallation
  readonly #hosts = new Map<string, ChildProcess>()
  readonly #namespaces = new Map<string, string>()
  readonly #mark: string
  readonly #hasNamespaces: boolean
  /** Of the server, for hosts. */
  readonly address: string

  private constructor(o: { installation: TestInstallation; mark: string; hasNamespaces: boolean; address: string }) {
    this.#installation = o.installation
    this.#mark = o.mark
    this.#hasNamespaces = o.hasNamespaces
    this.address = o.address
  }

  static async prepare(installation: TestInstallation): Promise<JoinedHosts> {
    const port = await freePort()
    const mark = `sr${process.pid % 100_000}`
    const third = 1 + (process.pid % 250)
    const hasNamespaces = process.geteuid?.() === 0
    if (hasNamespaces) {
      await ip('link', 'add', `${mark}b`, 'type', 'bridge')
      await ip('addr', 'add', `10.98.${third}.1/24`, 'dev', `${mark}b`)
      await ip('link', 'set', `${mark}b`, 'up')
    }
    const address = hasNamespaces ? `10.98.${third}.1:${port}` : `127.0.0.1:${port}`
    return new JoinedHosts({ installation, mark, hasNamespaces, address })
  }

  directoryOf(name: string): string {
    return join(this.#installation.home, name)
  }

  /** Adds a host and has it join. */
  async join(name: string, cores: number): Promise<void> {
    const added = await this.#installation.must<AddedHost>('host', 'add', name, '--cores', String(cores), '--memory', '64') // prettier-ignore
    await this.#makeNamespace(name)
    this.#start(name, ['join', this.address], added.joinCode)
  }

  /** After the machine has started again. */
  run(name: string): void {
    this.#start(name, ['run'])
  }

  /** As when its power is cut: the agent, QEMU and all. */
  async kill(name: string): Promise<void> {
    const child = this.#hosts.get(name)
    this.#hosts.delete(name)
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((done) => child.once('exit', done))
    process.kill(-child.pid, 'SIGKILL')
    await ended
  }

  /** Nothing comes or goes, until it is let. */
  async setLink(name: string, up: boolean): Promise<void> {
    await ip('link', 'set', this.#linkOf(name), up ? 'up' : 'down')
  }

  async remove(): Promise<void> {
    for (const name of this.#hosts.keys()) await this.kill(name)
    for (const namespace of this.#namespaces.values()) await ip('netns', 'del', namespace)
    if (this.#hasNamespaces) await ip('link', 'del', `${this.#mark}b`)
  }

  #linkOf(name: string): string {
    return `${this.#mark}v${[...this.#namespaces.keys()].indexOf(name)}`
  }

  async #makeNamespace(name: string): Promise<void> {
    if (!this.#hasNamespaces) return
    const namespace = `${this.#mark}-${name}`
    const number = this.#namespaces.size
    this.#namespaces.set(name, namespace)
    await ip('netns', 'add', namespace)
    await ip('link', 'add', this.#linkOf(name), 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    await ip('link', 'set', this.#linkOf(name), 'master', `${this.#mark}b`, 'up')
    const within = async (...args: string[]): Promise<unknown> => await ip('netns', 'exec', namespace, 'ip', ...args)
    await within('addr', 'add', this.address.replace(/\.1:\d+$/, `.${10 + number}/24`), 'dev', 'eth0')
    await within('link', 'set', 'eth0', 'up')
    await within('link', 'set', 'lo', 'up')
  }

  #start(name: string, words: string[], code?: string): void {
    const program = [join(root, 'strongroom'), 'host', ...words, '--dir', this.directoryOf(name)]
    const namespace = this.#namespaces.get(name)
    const [file = '', ...args] = namespace === undefined ? program : ['ip', 'netns', 'exec', namespace, ...program]
    const child = spawn(file, args, {
      env: this.#installation.environment(),
      stdio: ['pipe', 'inherit', 'inherit'],
      // A group of its own, so that all of the machine ends at once.
      detached: true,
    })
    child.stdin.end(code)
    this.#hosts.set(name, child)
  }
}
