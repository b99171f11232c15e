import { setImmediate as otherWork } from 'node:timers/promises'
import type { Logger } from '@strongroom/platform'
import type { FleetCompute } from './fleet-compute.ts'
import type { Placements } from './placements.ts'

const everyMs = 1_000
/** Placed at once; the rest in the next round. */
const most = 500
/** A fence in Ceph waits a second or two for the monitors, which make one change of several. */
const fencesAtOnce = 16

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
    // If the vault or the storage was unreachable when the placement was made.
    await this.#fence()
    const waiting = await this.#placements.waiting(most)
    if (waiting.length === 0) return
    const candidates = await this.#placements.candidates()
    for (const placement of waiting) {
      // SQLite answers synchronously: other hosts' leases are renewed in between.
      await otherWork()
      await this.#compute.placeAgain(placement, candidates)
    }
    await this.#fence()
  }

  /** All that were placed, several at once: one whose storage does not answer holds up no other. */
  async #fence(): Promise<void> {
    const unfenced = (await this.#placements.unfenced(most)).map(({ vm_id }) => vm_id)
    const some = async (): Promise<void> => {
      for (let vmId = unfenced.shift(); vmId !== undefined; vmId = unfenced.shift()) {
        const failed = (error: unknown): void => this.#logger.error({ err: error, vmId }, 'a VM could not be given to its next host') // prettier-ignore
        await this.#compute.fence(vmId).catch(failed)
      }
    }
    await Promise.all(Array.from({ length: fencesAtOnce }, some))
  }
}
