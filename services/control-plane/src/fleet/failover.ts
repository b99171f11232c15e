import { setImmediate as otherWork, setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@strongroom/platform'
import type { FleetCompute } from './fleet-compute.ts'
import type { Placements } from './placements.ts'
import type { HostRegistry } from './registry.ts'

const everyMs = 1_000
/** Placed in one round; the rest in the next one. */
const most = 500
/** Taken or placed in one transaction, which on SQLite waits for the disk once. */
const together = 16
/** A fence in Ceph waits a second or two for the monitors, which make one change of several. */
const fencesAtOnce = 16
/** How long a round waits for its fences. */
const fenceMs = 5_000

/** Finds hosts with expired leases, and gives their VMs to others. Any number of processes may do so at once. */
export class Failover {
  readonly #placements: Placements
  readonly #compute: FleetCompute
  readonly #registry: HostRegistry
  readonly #logger: Logger
  /** Under way, by VM. */
  readonly #fencing = new Map<string, Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  /** By `performance.now()`. */
  #judgesFrom = 0
  #running: Promise<void> = Promise.resolve()

  constructor(o: { placements: Placements; compute: FleetCompute; registry: HostRegistry; logger: Logger }) {
    this.#placements = o.placements
    this.#compute = o.compute
    this.#registry = o.registry
    this.#logger = o.logger
  }

  /** Leases that expired while no server was there to renew them are judged once hosts have had the time to call. */
  start(): void {
    this.#judgesFrom = performance.now() + this.#registry.leaseSeconds * 1000
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
    await Promise.all(this.#fencing.values())
  }

  async sweep(): Promise<void> {
    if (performance.now() >= this.#judgesFrom) await this.#abandon()
    await this.#compute.draining.sweep()
    // If the vault or the storage was unreachable when the placement was made.
    await this.#fence()
    const waiting = await this.#placements.waiting(most)
    if (waiting.length === 0) return
    const candidates = await this.#placements.candidates()
    await inParts(waiting, async (part) => await this.#compute.placeAgain(part, candidates))
    await this.#fence()
  }

  async #abandon(): Promise<void> {
    // Calls that arrived while this thread was busy.
    await otherWork()
    await this.#registry.renewed()
    for (const host of await this.#placements.lostHosts()) {
      this.#logger.warn({ host }, 'the lease of a host has expired')
      await inParts(await this.#placements.on(host), async (part) => await this.#compute.abandon(host, part))
    }
  }

  /**
   * Fences all that were placed, several at once, and waits for them; not for long, because a storage that does not
   * answer must not hold up what the next round does for others.
   */
  async #fence(): Promise<void> {
    const over = sleep(fenceMs, undefined, { ref: false })
    const until = performance.now() + fenceMs
    for (const { vm_id: vmId } of await this.#placements.unfenced(most)) {
      if (this.#fencing.has(vmId)) continue
      while (this.#fencing.size >= fencesAtOnce && performance.now() < until)
        await Promise.race([over, ...this.#fencing.values()])
      if (performance.now() >= until) break
      const fenced = this.#compute
        .fence(vmId)
        .catch((error: unknown) => this.#logger.error({ err: error, vmId }, 'a VM could not be given to its next host'))
        .finally(() => this.#fencing.delete(vmId))
      this.#fencing.set(vmId, fenced)
    }
    await Promise.race([over, Promise.all(this.#fencing.values())])
  }
}

/**
 * Rests after each part for as long as it took: SQLite answers in the server's thread, and other hosts' leases are
 * renewed there.
 */
async function inParts<T>(all: readonly T[], work: (part: T[]) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += together) {
    const begun = performance.now()
    await work(all.slice(at, at + together))
    await sleep(performance.now() - begun)
  }
}
