import { spawn, type ChildProcess } from 'node:child_process'
import { join, resolve } from 'node:path'
import type { AddedHost } from '@strongroom/contract'
import { freePort } from '@strongroom/platform'
import type { TestInstallation } from './installation.ts'
import { NetworkNodes } from './network-nodes.ts'

const root = resolve(import.meta.dirname, '../../..')

/**
 * Machines next to the server's: each a `strongroom host join` in a network namespace of its own if the test is root,
 * which reaches the server over a bridge and nothing else of the machine's network.
 */
export class JoinedHosts {
  readonly #installation: TestInstallation
  readonly #hosts = new Map<string, ChildProcess>()
  readonly #said = new Map<string, string>()
  /** Undefined if the test is not root. */
  readonly #network: NetworkNodes | undefined
  /** The server's address for hosts. */
  readonly address: string

  private constructor(o: { installation: TestInstallation; network: NetworkNodes | undefined; address: string }) {
    this.#installation = o.installation
    this.#network = o.network
    this.address = o.address
  }

  static async prepare(installation: TestInstallation): Promise<JoinedHosts> {
    const port = await freePort()
    const network = process.geteuid?.() === 0 ? await NetworkNodes.make({ letters: 'sr', second: 98 }) : undefined
    return new JoinedHosts({ installation, network, address: `${network?.address ?? '127.0.0.1'}:${port}` })
  }

  directoryOf(name: string): string {
    return join(this.#installation.home, name)
  }

  /** Adds a host and has it join. @param options more of `host add` */
  async join(name: string, cores: number, ...options: string[]): Promise<void> {
    const added = await this.#installation.must<AddedHost>(
      'host',
      'add',
      name,
      '--cores',
      String(cores),
      '--memory',
      '64',
      ...options,
    )
    await this.#network?.add(name)
    this.#start(name, ['join', this.address], added.joinCode)
  }

  /** State of each host as the server lists it; of one that is not ready also what its agent printed last and its exit. */
  async states(): Promise<string[]> {
    const hosts = await this.#installation.must<{ name: string; state: string }[]>('host', 'list')
    return hosts.map(({ name, state }) => {
      const child = this.#hosts.get(name)
      if (state === 'Ready' || child === undefined) return `${name} ${state}`
      return `${name} ${state}, exit ${child.exitCode ?? child.signalCode ?? 'not yet'}: ${this.#said.get(name) ?? ''}`
    })
  }

  /** As after the machine has started again. */
  run(name: string): void {
    this.#start(name, ['run'])
  }

  /** As its operator ends it. @returns the exit code of `strongroom host` */
  async stop(name: string): Promise<number | null> {
    const child = this.#hosts.get(name)
    if (child === undefined) throw new TypeError(`no host ${name} runs`)
    this.#hosts.delete(name)
    const ended = new Promise<number | null>((done) => child.once('exit', done))
    child.kill('SIGTERM')
    return await ended
  }

  /** As if its power were cut: the agent, QEMU and everything else. */
  async kill(name: string): Promise<void> {
    const child = this.#hosts.get(name)
    this.#hosts.delete(name)
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise((done) => child.once('exit', done))
    process.kill(-child.pid, 'SIGKILL')
    await ended
  }

  /** No packet passes in either direction while it is down. */
  async setLink(name: string, up: boolean): Promise<void> {
    await this.#network?.setLink(name, up)
  }

  async remove(): Promise<void> {
    for (const name of this.#hosts.keys()) await this.kill(name)
    await this.#network?.remove()
  }

  #start(name: string, words: string[], code?: string): void {
    const program = [join(root, 'strongroom'), 'host', ...words, '--dir', this.directoryOf(name)]
    const [file = '', ...args] = [...(this.#network?.within(name) ?? []), ...program]
    const child = spawn(file, args, {
      env: this.#installation.environment(),
      stdio: ['pipe', 'pipe', 'pipe'],
      // A separate group, so that the whole machine ends at once.
      detached: true,
    })
    child.stdin.end(code)
    for (const [from, to] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ] as const)
      from.on('data', (chunk: Buffer) => {
        to.write(chunk)
        this.#said.set(name, `${this.#said.get(name) ?? ''}${chunk.toString()}`.slice(-1_000))
      })
    this.#hosts.set(name, child)
  }
}
