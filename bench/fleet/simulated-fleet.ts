import { fork, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { HostAgent, joinFleet } from '@strongroom/host/agent'
import { createLogger } from '@strongroom/platform'
import { serverNodeOptions } from '../../apps/cli/src/up/server-command.ts'
import { answerOf, ask, end } from '../support/process.ts'
import { step } from '../support/progress.ts'
import type { AddedHosts, FleetFacts, FleetQuestion } from './server.ts'

const joinedAtOnce = 8

/** Hosts without guests, each with a real host's agent and a separate connection, and the server in a separate process. */
export class SimulatedFleet {
  readonly #server: ChildProcess
  readonly #folder: string
  readonly #directories: string[] = []
  readonly #agents: HostAgent[] = []
  /** Hosts that have got a lease. */
  readonly #leased = new Set<number>()

  private constructor(server: ChildProcess, folder: string) {
    this.#server = server
    this.#folder = folder
  }

  /** With one more host without an agent: the last of the directories. */
  static async open(o: { hosts: number; machines: number }): Promise<SimulatedFleet> {
    const server = fork(join(import.meta.dirname, 'server.ts'), [], {
      execArgv: [...serverNodeOptions],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const fleet = new SimulatedFleet(server, await mkdtemp(join(tmpdir(), 'strongroom-bench-fleet-')))
    try {
      await answerOf(server)
      await fleet.#join(o.hosts + 1)
      // The first VM is made on it; the others exist when the server starts again.
      await fleet.#run(0)
      await fleet.until(() => fleet.#leased.size === 1)
      step(`makes ${o.machines} machines`)
      await fleet.ask({ ask: 'machines', count: o.machines })
      for (let index = 1; index < o.hosts; index++) await fleet.#run(index)
      await fleet.until(() => fleet.#leased.size === o.hosts)
      return fleet
    } catch (error) {
      await fleet.close()
      throw error
    }
  }

  get probeDirectory(): string {
    return this.#directories.at(-1) ?? ''
  }

  async ask<T>(question: FleetQuestion): Promise<T> {
    return await ask<T>(this.#server, question)
  }

  async facts(): Promise<FleetFacts> {
    return await this.ask<FleetFacts>({ ask: 'fleet' })
  }

  /** Machines that were placed more than once. */
  async moved(): Promise<number> {
    return (await this.ask<{ machines: number }>({ ask: 'moved' })).machines
  }

  /** As if the power of all of them were cut at once. */
  async lose(count: number): Promise<void> {
    await Promise.all(this.#agents.splice(0, count).map(async (agent) => await agent.stop()))
  }

  async until(holds: () => Promise<boolean> | boolean, mostSeconds = 600): Promise<void> {
    const begun = performance.now()
    for (;;) {
      if (await holds()) return
      if (performance.now() - begun > mostSeconds * 1000) throw new Error(`not so after ${mostSeconds} s`)
      await sleep(500)
    }
  }

  async close(): Promise<void> {
    await this.lose(this.#agents.length)
    await end(this.#server)
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #join(count: number): Promise<void> {
    step(`joins ${count} hosts`)
    const { address, codes } = await this.ask<AddedHosts>({ ask: 'hosts', count })
    for (const index of codes.keys()) this.#directories.push(join(this.#folder, String(index)))
    let next = 0
    const worker = async (): Promise<void> => {
      while (next < count) {
        const index = next++
        await joinFleet({ directory: this.#directories[index]!, address, code: codes[index]! })
      }
    }
    await Promise.all(Array.from({ length: joinedAtOnce }, worker))
  }

  async #run(index: number): Promise<void> {
    const agent = await HostAgent.open({
      directory: this.#directories[index]!,
      logger: createLogger({ level: 'silent' }),
    })
    this.#agents.push(agent)
    void agent.run(({ leased }) => void (leased ? this.#leased.add(index) : this.#leased.delete(index)))
  }
}
