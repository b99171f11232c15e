import type { ErrorDetail } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { CarriedCompute } from './carried-compute.ts'
import { choose, explainRuledOut, type Need } from './choose.ts'
import type { Placement, Placements } from './placements.ts'
import type { HostRegistry } from './registry.ts'
import type { WorkSignal } from './work-signal.ts'

interface Parts {
  inner: CarriedCompute
  placements: Placements
  registry: HostRegistry
  signal: WorkSignal
  needOf(vmId: string): Promise<Need | undefined>
}

/** How many of one host's VMs are stopped at a time, to be started elsewhere. */
const atOnce = 4

/**
 * Moves VMs off draining hosts by stop and start: the guest powers off, its state is written, and then it gets another
 * host. Each step is one transaction on the placement, so that another server can continue after a crash.
 */
export class Draining {
  readonly #o: Parts

  constructor(o: Parts) {
    this.#o = o
  }

  /**
   * Whether the other hosts have room for everything this one carries. @throws ServiceError HostNotDrained, naming the
   * VMs without room and why
   */
  async check(host: { id: string; name: string }): Promise<void> {
    const others = (await this.#o.placements.candidates()).filter(({ id }) => id !== host.id)
    const without: ErrorDetail[] = []
    for (const { vm_id, resource_id, wanted } of await this.#o.placements.on(host.id)) {
      const need = await this.#o.needOf(vm_id)
      // A VM that is off takes no room until it is started.
      if (need === undefined || wanted === 'Stopped') continue
      const { host: found, why } = choose(others, need)
      if (found === undefined)
        without.push({ code: 'AllocationFailed', target: resource_id, message: explainRuledOut(why).join('; ') || 'there is no other host' }) // prettier-ignore
      else {
        found.usedVCPUs += need.vCPUs
        found.usedMemoryMiB += need.memoryMiB
      }
    }
    if (without.length > 0) throw notDrained(host.name, without)
  }

  /** One step for all that are to move. */
  async sweep(): Promise<void> {
    for (const { id, state } of await this.#o.registry.list()) {
      if (state !== 'Draining') continue
      const carried = await this.#o.placements.on(id)
      let moving = carried.filter((placed) => placed.moving === 1).length
      for (const placed of carried) {
        if (placed.moving === 1 || placed.wanted === 'Stopped') await this.#leave(placed)
        else if (moving < atOnce && (await this.#stop(placed))) moving += 1
      }
    }
  }

  /** Asks the guest to power off, if it runs and another host has room. */
  async #stop({ vm_id: vmId }: Placement): Promise<boolean> {
    const { inner, placements, signal } = this.#o
    const [status, need] = [await inner.find(vmId), await this.#o.needOf(vmId)]
    if (status?.power.state !== 'Ready' || need === undefined) return false
    if (choose(await placements.candidates(), need).host === undefined) return false
    let host: string | null = null
    await inner.turn(vmId, 'Stopping', 'stop, to start on another host (its own is drained)', async (tx) => {
      const placed = await placements.lock(tx, vmId)
      if (placed?.wanted !== 'Running' || placed.host === null) return false
      await placements.want(tx, placed, 'Stopped', { moving: true })
      host = placed.host
      return true
    })
    signal.notify(host)
    return host !== null
  }

  /** Once it is off: removes its host, and starts it on another one if it was to run. */
  async #leave({ vm_id: vmId }: Placement): Promise<void> {
    const { inner, placements, signal } = this.#o
    const state = (await inner.find(vmId))?.power.state
    if (state !== 'Stopped' && state !== 'Failed') return
    let host: string | null = null
    const leave = async (tx: Parameters<Placements['lock']>[0]): Promise<boolean> => {
      const placed = await placements.lock(tx, vmId)
      if (placed === undefined || placed.host === null || placed.wanted !== 'Stopped') return false
      host = placed.host
      await placements.leave(tx, placed, 'drained')
      if (placed.moving === 1) await placements.want(tx, { ...placed, host: null }, 'Running')
      return placed.moving === 1
    }
    await inner.turn(vmId, 'Starting', 'wait for another host (its own is drained)', leave)
    signal.notify(host)
  }
}

const notDrained = (host: string, without: ErrorDetail[]): ServiceError =>
  new ServiceError({
    code: 'HostNotDrained',
    message: `The host '${host}' is not drained: other hosts have no room for all of its VMs.`,
    target: host,
    expected: 'room for each of its VMs that runs on another host',
    found: `none for ${without.length}`,
    remedy: 'Add a host, or stop and deallocate these VMs first.',
    details: without,
  })
