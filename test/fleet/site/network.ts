import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const ip = async (...args: string[]): Promise<unknown> => await promisify(execFile)('ip', args)

/** A machine of the site's: a network namespace that reaches the others over one bridge. */
interface Machine {
  namespace: string
  address: string
  link: string
}

/** A bridge of a test's own, and machines behind it. Needs root. */
export class SiteNetwork {
  readonly #mark: string
  readonly #prefix: string
  readonly #machines = new Map<string, Machine>()
  /** Of what runs beside the machines. */
  readonly address: string

  private constructor(mark: string, prefix: string) {
    this.#mark = mark
    this.#prefix = prefix
    this.address = `${prefix}.1`
  }

  static async make(): Promise<SiteNetwork> {
    const network = new SiteNetwork(`sf${process.pid % 100_000}`, `10.97.${1 + (process.pid % 250)}`)
    await ip('link', 'add', `${network.#mark}b`, 'type', 'bridge')
    await ip('addr', 'add', `${network.address}/24`, 'dev', `${network.#mark}b`)
    await ip('link', 'set', `${network.#mark}b`, 'up')
    return network
  }

  async add(name: string): Promise<Machine> {
    const number = this.#machines.size
    const machine = {
      namespace: `${this.#mark}-${name}`,
      address: `${this.#prefix}.${10 + number}`,
      link: `${this.#mark}v${number}`,
    }
    const { namespace, link } = machine
    this.#machines.set(name, machine)
    await ip('netns', 'add', namespace)
    await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    await ip('link', 'set', link, 'master', `${this.#mark}b`, 'up')
    await ip('-n', namespace, 'addr', 'add', `${machine.address}/24`, 'dev', 'eth0')
    await ip('-n', namespace, 'link', 'set', 'eth0', 'up')
    await ip('-n', namespace, 'link', 'set', 'lo', 'up')
    return machine
  }

  /** Nothing comes or goes. */
  async setLink(name: string, up: boolean): Promise<void> {
    await ip('link', 'set', this.#of(name).link, up ? 'up' : 'down')
  }

  /** What the machine sends is lost; what is sent to it comes. */
  async setSending(name: string, can: boolean): Promise<void> {
    await ip('-n', this.#of(name).namespace, 'route', can ? 'del' : 'add', 'blackhole', `${this.address}/32`)
  }

  /** What is sent to the machine is lost; what it sends comes. */
  async setHearing(name: string, can: boolean): Promise<void> {
    await ip('route', can ? 'del' : 'add', 'blackhole', `${this.#of(name).address}/32`)
  }

  async remove(): Promise<void> {
    for (const name of this.#machines.keys()) await this.setHearing(name, true).catch(() => {})
    for (const { namespace } of this.#machines.values()) await ip('netns', 'del', namespace)
    await ip('link', 'del', `${this.#mark}b`)
  }

  #of(name: string): Machine {
    const machine = this.#machines.get(name)
    if (machine === undefined) throw new TypeError(`there is no machine ${name}`)
    return machine
  }
}
