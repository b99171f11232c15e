import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const ip = async (...args: string[]): Promise<unknown> => await promisify(execFile)('ip', args)

/** Machines of a test, each a network namespace on one bridge that reaches the others, the test and nothing else. Needs root. */
export class NetworkNodes {
  readonly #mark: string
  readonly #net: string
  readonly #names: string[] = []

  private constructor(mark: string, net: string) {
    this.#mark = mark
    this.#net = net
  }

  /** @param o.letter tells the bridges of one process apart; o.second the second byte of their addresses */
  static async prepare(o: { letter: string; second: number }): Promise<NetworkNodes> {
    const mark = `${o.letter}${process.pid % 100_000}`
    const net = `10.${o.second}.${1 + (process.pid % 250)}`
    await ip('link', 'add', `${mark}b`, 'type', 'bridge')
    await ip('addr', 'add', `${net}.1/24`, 'dev', `${mark}b`)
    await ip('link', 'set', `${mark}b`, 'up')
    return new NetworkNodes(mark, net)
  }

  /** Of the test's own side. */
  get address(): string {
    return `${this.#net}.1`
  }

  /** @returns the node's address */
  async add(name: string): Promise<string> {
    this.#names.push(name)
    const [namespace, link] = [this.#namespaceOf(name), this.#linkOf(name)]
    await ip('netns', 'add', namespace)
    await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    await ip('link', 'set', link, 'master', `${this.#mark}b`, 'up')
    const within = async (...args: string[]): Promise<unknown> => await ip('-n', namespace, ...args)
    const address = `${this.#net}.${10 + this.#names.indexOf(name)}`
    await within('addr', 'add', `${address}/24`, 'dev', 'eth0')
    await within('link', 'set', 'eth0', 'up')
    await within('link', 'set', 'lo', 'up')
    return address
  }

  /** What runs a command within the node. */
  within(name: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#namespaceOf(name)]
  }

  /** Nothing comes or goes while it is down. */
  async setLink(name: string, up: boolean): Promise<void> {
    await ip('link', 'set', this.#linkOf(name), up ? 'up' : 'down')
  }

  async remove(): Promise<void> {
    for (const name of this.#names) await ip('netns', 'del', this.#namespaceOf(name))
    await ip('link', 'del', `${this.#mark}b`)
  }

  #namespaceOf(name: string): string {
    return `${this.#mark}-${name}`
  }

  #linkOf(name: string): string {
    return `${this.#mark}v${this.#names.indexOf(name)}`
  }
}
