import { setImmediate as otherWork } from 'node:timers/promises'
import type { Logger } from '@strongroom/platform'
import type { FleetCompute } from './fleet-compute.ts'
import type { Placements } from './placements.ts'

const everyMs = 1_000
/** Placed at once; the rest in the next round. */
const most = 500

/** Finds hosts with expired leases, and gives their VMs to others. Any number of processes may do so at once. */
export class Failover {
  readonly #placements: Placements
  readonly #compute: FleetCompute
  readonly #logger: Logger
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(o: { placements: Placements; compute: FleetCompute; logger: Logger }) {
    this.#placements = o.placements
    this.#compute = o.compute
    this.#logger = o.logger
  }

  start(): void {
    let isBusy = false
    this.#timer = setInterval(() => {
      if (isBusy) return
      isBusy = true
      this.#running = this.sweep()
        .catch((error: unknown) => this.#logger.error({ err: error }, 'VMs of lost hosts could not be placed'))
        .finally(() => (isBusy = false))
    }, everyMs).unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }

  async sweep(): Promise<void> {
    for (const host of await this.#placements.lostHosts()) {
      this.#logger.warn({ host }, 'the lease of a host has expired')
      await otherWork()
      await this.#compute.abandon(host)
    }
    await this.#compute.draining.sweep()
    // If the vault was unreachable when the placement was made.
    for (const { vm_id } of await this.#placements.unfenced(most)) await this.#compute.fence(vm_id)
    const waiting = await this.#placements.waiting(most)
    if (waiting.length === 0) return
    const candidates = await this.#placements.candidates()
    for (const placement of waiting) {
      // SQLite answers synchronously: other hosts' leases are renewed in between.
      await otherWork()
      await this.#compute.placeAgain(placement, candidates)
    }
  }
}
