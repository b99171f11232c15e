import { readFile } from 'node:fs/promises'
import { Agent } from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fleetHost } from '@strongroom/contract'
import { exchange } from '@strongroom/platform'

const pauseMs = 50

/** One host that renews its lease, gets its orders at once, and records how long each takes. */
export class HostProbe {
  readonly #agent: Agent
  readonly #via: { host: string; port: number; servername: string }

  private constructor(agent: Agent, via: { host: string; port: number; servername: string }) {
    this.#agent = agent
    this.#via = via
  }

  /** @param directory of a host that has joined */
  static async open(directory: string): Promise<HostProbe> {
    const kept = JSON.parse(await readFile(join(directory, 'host.json'), 'utf8')) as Record<string, string>
    const { address = '', authority: ca, certificate: cert, privateKey: key } = kept
    const at = new URL(`https://${address}`)
    const agent = new Agent({ ca, cert, key, keepAlive: true })
    return new HostProbe(agent, { host: at.hostname, port: Number(at.port), servername: fleetHost })
  }

  /** @returns milliseconds of each renewal */
  async renewals(seconds: number): Promise<number[]> {
    const taken: number[] = []
    for (const until = performance.now() + seconds * 1000; performance.now() < until; await sleep(pauseMs)) {
      const sent = performance.now()
      const { status } = await exchange({
        method: 'POST',
        url: new URL('/beat', `https://${fleetHost}`),
        headers: { 'content-type': 'application/json' },
        // Without a revision, the server answers at once.
        body: Buffer.from('{}'),
        agent: this.#agent,
        via: this.#via,
        patience: { inAll: 30_000 },
        answerLimit: 1024 * 1024,
      })
      if (status !== 200) throw new Error(`a renewal was answered with ${status}`)
      taken.push(performance.now() - sent)
    }
    return taken
  }

  close(): void {
    this.#agent.destroy()
  }
}
