import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const ip = async (...args: string[]): Promise<unknown> => await promisify(execFile)('ip', args)

/** A machine of a test: a network namespace that reaches the others, and the test, over one bridge and nothing else. */
interface NetworkNode {
  namespace: string
  address: string
  link: string
}

/** A bridge of a test's own, and machines behind it. Needs root. */
export class NetworkNodes {
  readonly #mark: string
  readonly #prefix: string
  readonly #nodes = new Map<string, NetworkNode>()
  /** Of what runs beside the machines. */
  readonly address: string

  private constructor(mark: string, prefix: string) {
    this.#mark = mark
    this.#prefix = prefix
    this.address = `${prefix}.1`
  }

  /** @param o.letters tell the bridges of a process apart; o.second is the second byte of their addresses */
  static async make(o: { letters: string; second: number }): Promise<NetworkNodes> {
    const network = new NetworkNodes(
      `${o.letters}${process.pid % 100_000}`,
      `10.${o.second}.${1 + (process.pid % 250)}`,
    )
    await ip('link', 'add', `${network.#mark}b`, 'type', 'bridge')
    await ip('addr', 'add', `${network.address}/24`, 'dev', `${network.#mark}b`)
    await ip('link', 'set', `${network.#mark}b`, 'up')
    return network
  }

  async add(name: string): Promise<NetworkNode> {
    const number = this.#nodes.size
    const node = {
      namespace: `${this.#mark}-${name}`,
      address: `${this.#prefix}.${10 + number}`,
      link: `${this.#mark}v${number}`,
    }
    const { namespace, link } = node
    this.#nodes.set(name, node)
    await ip('netns', 'add', namespace)
    await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    await ip('link', 'set', link, 'master', `${this.#mark}b`, 'up')
    await ip('-n', namespace, 'addr', 'add', `${node.address}/24`, 'dev', 'eth0')
    await ip('-n', namespace, 'link', 'set', 'eth0', 'up')
    await ip('-n', namespace, 'link', 'set', 'lo', 'up')
    return node
  }

  /** What runs a command within a machine. */
  within(name: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#of(name).namespace]
  }

  /** Nothing comes or goes while it is down. */
  async setLink(name: string, up: boolean): Promise<void> {
    await ip('link', 'set', this.#of(name).link, up ? 'up' : 'down')
  }

  /** What a machine sends is lost; what is sent to it comes. */
  async setSending(name: string, can: boolean): Promise<void> {
    await ip('-n', this.#of(name).namespace, 'route', can ? 'del' : 'add', 'blackhole', `${this.address}/32`)
  }

  /** What is sent to a machine is lost; what it sends comes. */
  async setHearing(name: string, can: boolean): Promise<void> {
    await ip('route', can ? 'del' : 'add', 'blackhole', `${this.#of(name).address}/32`)
  }

  async remove(): Promise<void> {
    for (const name of this.#nodes.keys()) await this.setHearing(name, true).catch(() => {})
    for (const { namespace } of this.#nodes.values()) await ip('netns', 'del', namespace)
    await ip('link', 'del', `${this.#mark}b`)
  }

  #of(name: string): NetworkNode {
    const node = this.#nodes.get(name)
    if (node === undefined) throw new TypeError(`there is no machine ${name}`)
    return node
  }
}
