import type { ErrorDetail, MoveObstacle } from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { CarriedCompute } from './carried-compute.ts'
import { choose, explainRuledOut, type Need } from './choose.ts'
import type { LeasedHost } from './fleet-host.ts'
import type { Placement, Placements } from './placements.ts'
import type { MovePolicy, PlannedMove, PlannedMoves } from './planned-moves.ts'
import type { HostRegistry } from './registry.ts'
import type { WorkSignal } from './work-signal.ts'

interface Parts {
  inner: CarriedCompute
  placements: Placements
  registry: HostRegistry
  planned: PlannedMoves
  signal: WorkSignal
  needOf(vmId: string): Promise<Need | undefined>
  policyOf(resourceId: string): Promise<MovePolicy>
}

/** How many of one host's VMs are stopped at a time, to be started elsewhere. */
const atOnce = 4

/**
 * Moves VMs off draining hosts by stop and start: the guest powers off, its state is written, and then it gets another
 * host. Each move is planned first: no VM moves before its time, unless its owner or its guest has approved. Each step
 * is one transaction on the placement, so that another server can continue after a crash.
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
        without.push({
          code: 'AllocationFailed',
          target: resource_id,
          message: explainRuledOut(why).join('; ') || 'there is no other host',
        })
      else {
        found.usedVCPUs += need.vCPUs
        found.usedMemoryMiB += need.memoryMiB
      }
    }
    if (without.length > 0) throw notDrained(host.name, without)
  }

  /** After another order to drain the host: moves that were planned with more notice come earlier. */
  async hasten(host: { id: string }, noticeSeconds: number): Promise<void> {
    const { placements, planned, signal } = this.#o
    for (const { vm_id: vmId, host: from } of (await planned.byVm()).values()) {
      const placed = from === host.id ? await placements.find(vmId) : undefined
      if (placed === undefined) continue
      const policy = await this.#o.policyOf(placed.resource_id)
      await placements.transaction(async (tx) => {
        const locked = await placements.lock(tx, vmId)
        if (locked?.host !== host.id) return
        if (await planned.hasten(tx, { vmId, noticeSeconds, policy })) await placements.changed(tx, locked)
      })
    }
    signal.notify(host.id)
  }

  /** One step for all that are to move. */
  async sweep(): Promise<void> {
    const draining = (await this.#o.registry.list()).filter(({ state }) => state === 'Draining')
    const known = await this.#o.planned.byVm()
    await this.#tidy(draining, known)
    for (const host of draining) await this.#sweep(host, known)
  }

  async #sweep(host: LeasedHost, known: Map<string, PlannedMove>): Promise<void> {
    const carried = await this.#o.placements.on(host.id)
    const toMove: [Placement, PlannedMove][] = []
    for (const placed of carried) {
      if (placed.moving === 1 || placed.wanted === 'Stopped') await this.#leave(placed)
      else {
        const move = known.get(placed.vm_id) ?? (await this.#plan(placed, host))
        if (move !== undefined) toMove.push([placed, move])
      }
    }
    // Read after the plans were made: one without notice is due at once.
    const now = await this.#o.planned.now()
    let moving = carried.filter((placed) => placed.moving === 1).length
    for (const [placed, move] of toMove) {
      if (moving >= atOnce) return
      if ((await this.obstacle(placed, move, now)) === undefined && (await this.#stop(placed))) moving += 1
    }
  }

  /** What a planned move waits for; undefined if it can begin. */
  async obstacle(placed: Placement, move: PlannedMove, now: string): Promise<MoveObstacle | undefined> {
    if (move.approved_at === null && move.not_before > now) return 'notice'
    if (!(await this.#isSetWhole(placed))) return 'set'
    const need = await this.#o.needOf(placed.vm_id)
    const hasRoom = need && choose(await this.#o.placements.candidates(), need).host !== undefined
    return hasRoom === true ? undefined : 'room'
  }

  /** VMs of one set replace each other: none is stopped while another one is away. */
  async #isSetWhole({ vm_id, spread_set }: Placement): Promise<boolean> {
    if (spread_set === null) return true
    for (const other of await this.#o.placements.ofSet(spread_set)) {
      if (other.vm_id === vm_id) continue
      if (other.moving === 1) return false
      if (other.wanted === 'Running' && (await this.#o.inner.find(other.vm_id))?.power.state !== 'Ready') return false
    }
    return true
  }

  /** Plans the move of a VM that is to run, once; its host, its guest and its owner know of it from then on. */
  async #plan({ vm_id: vmId, resource_id }: Placement, host: LeasedHost): Promise<PlannedMove | undefined> {
    const { placements, planned, signal } = this.#o
    const policy = await this.#o.policyOf(resource_id)
    const made = await placements.transaction(async (tx) => {
      const placed = await placements.lock(tx, vmId)
      if (placed?.host !== host.id || placed.wanted !== 'Running') return undefined
      const move = await planned.plan(tx, { vmId, host: host.id, noticeSeconds: host.noticeSeconds, policy })
      await placements.changed(tx, placed)
      return move
    })
    signal.notify(host.id)
    return made
  }

  /** Ends plans that no longer hold: of VMs that have moved, of hosts that are resumed, and where the owner stepped in. */
  async #tidy(draining: readonly LeasedHost[], known: Map<string, PlannedMove>): Promise<void> {
    const { inner, placements, planned, signal } = this.#o
    for (const vmId of known.keys()) {
      const power = (await inner.find(vmId))?.power.state
      const isUnderWay = power === 'Starting' || power === 'Booting'
      const isOver = (placed: Placement | undefined, move: PlannedMove): boolean =>
        placed === undefined || !holds(placed, move, { draining, isUnderWay })
      const [seen, move] = [await placements.find(vmId), known.get(vmId)]
      if (move === undefined || !isOver(seen, move)) continue
      const host = await placements.transaction(async (tx) => {
        const [placed, last] = [await placements.lock(tx, vmId), await planned.find(vmId, tx)]
        if (last === undefined || !isOver(placed, last)) return null
        await planned.remove(tx, vmId)
        if (placed !== undefined) await placements.changed(tx, placed)
        return placed?.host ?? null
      })
      known.delete(vmId)
      signal.notify(host)
    }
  }

  /** Asks the guest to power off, if it runs. */
  async #stop({ vm_id: vmId }: Placement): Promise<boolean> {
    const { inner, placements, planned, signal } = this.#o
    if ((await inner.find(vmId))?.power.state !== 'Ready') return false
    let host: string | null = null
    await inner.turn(vmId, 'Stopping', 'stop, to start on another host (its own is drained)', async (tx) => {
      const placed = await placements.lock(tx, vmId)
      if (placed?.wanted !== 'Running' || placed.host === null) return false
      await placements.want(tx, placed, 'Stopped', { moving: true })
      await planned.started(tx, vmId)
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

/** Whether a plan still describes what will happen, or is happening. */
function holds(
  placed: Placement,
  move: PlannedMove,
  o: { draining: readonly LeasedHost[]; isUnderWay: boolean },
): boolean {
  if (move.started_at !== null) return placed.moving === 1 || (placed.wanted === 'Running' && o.isUnderWay)
  const isOfThatHost = placed.host === move.host && o.draining.some(({ id }) => id === move.host)
  return isOfThatHost && placed.wanted === 'Running'
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
