import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const ip = async (...args: string[]): Promise<unknown> => await promisify(execFile)('ip', args)

/** A machine of a test: a network namespace that reaches the others and the test over one bridge and nothing else. */
interface NetworkNode {
  namespace: string
  address: string
  link: string
}

/** A bridge of one test, and machines behind it. Needs root. */
export class NetworkNodes {
  readonly #mark: string
  readonly #prefix: string
  readonly #nodes = new Map<string, NetworkNode>()
  /** The address for what runs next to the machines. */
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

  /** Prefix that runs a command within a machine. */
  within(name: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#of(name).namespace]
  }

  /** No packet passes in either direction while it is down. */
  async setLink(name: string, up: boolean): Promise<void> {
    await ip('link', 'set', this.#of(name).link, up ? 'up' : 'down')
  }

  /** Drops what a machine sends and delivers what is sent to it. */
  async setSending(name: string, can: boolean): Promise<void> {
    await ip('-n', this.#of(name).namespace, 'route', can ? 'del' : 'add', 'blackhole', `${this.address}/32`)
  }

  /** Drops what is sent to a machine and delivers what it sends. */
  async setHearing(name: string, can: boolean): Promise<void> {
    await ip('route', can ? 'del' : 'add', 'blackhole', `${this.#of(name).address}/32`)
  }

  async remove(): Promise<void> {
    for (const name of this.#nodes.keys()) await this.setHearing(name, true).catch(() => {})
    for (const { namespace, link } of this.#nodes.values()) {
      // The kernel would remove it some time after its namespace, and the next test's link may have its name.
      await ip('link', 'del', link)
      await ip('netns', 'del', namespace)
    }
    await ip('link', 'del', `${this.#mark}b`)
  }

  #of(name: string): NetworkNode {
    const node = this.#nodes.get(name)
    if (node === undefined) throw new TypeError(`there is no machine ${name}`)
    return node
  }
}
