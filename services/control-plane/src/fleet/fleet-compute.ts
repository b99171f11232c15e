import {
  isOrdinary,
  type AnySpec,
  type CarriedInstance,
  type InstanceStatus,
  type VmOrder,
  type VmReport,
} from '@strongroom/contract'
import { ServiceError } from '@strongroom/platform'
import type { Host } from '../host/host.ts'
import { overlaid } from '../host/overlay.ts'
import type { Db } from '../store/resources.ts'
import type { CarriedCompute } from './carried-compute.ts'
import type { Candidate, Need } from './choose.ts'
import { Draining } from './draining.ts'
import type { FleetHost } from './fleet-host.ts'
import type { Placement, Placements } from './placements.ts'
import { PlacementViews } from './placement-views.ts'
import { eventOf, type MovePolicy, type PlannedMoves } from './planned-moves.ts'
import type { HostRegistry } from './registry.ts'
import type { WorkSignal } from './work-signal.ts'

const needOf = (spec: AnySpec): Need => ({
  region: spec.region,
  ...(spec.shown?.zone !== undefined && { zone: spec.shown.zone }),
  ...(!isOrdinary(spec) && { tee: spec.tee }),
  vCPUs: spec.size.vCPUs,
  memoryMiB: spec.size.memoryMiB,
  ...(spec.shown?.spread !== undefined && { spread: spec.shown.spread }),
})

const startStep = 'start on its host'

/**
 * Compute for VMs carried by joined hosts: the VM's definition stays with its driver, its host decides whether it runs.
 * VMs without a placement, in an installation that no host has joined, stay on the server's own host.
 */
export class FleetCompute {
  readonly #inner: CarriedCompute
  readonly #placements: Placements
  readonly #registry: HostRegistry
  readonly #signal: WorkSignal
  readonly #planned: PlannedMoves
  /** Moves VMs off drained hosts. */
  readonly draining: Draining
  /** Where VMs are, for their owners and the operator. */
  readonly views: PlacementViews

  /** @param o.policyOf what the owner of a VM wants of its moves; by ARM id */
  constructor(o: {
    inner: CarriedCompute
    placements: Placements
    registry: HostRegistry
    planned: PlannedMoves
    signal: WorkSignal
    policyOf(resourceId: string): Promise<MovePolicy>
  }) {
    this.#inner = o.inner
    this.#placements = o.placements
    this.#registry = o.registry
    this.#signal = o.signal
    this.#planned = o.planned
    const needed = async (vmId: string): Promise<Need | undefined> => {
      const status = await this.#inner.find(vmId)
      return status && needOf(status.spec)
    }
    this.draining = new Draining({ ...o, needOf: needed })
    this.views = new PlacementViews({ ...o, draining: this.draining })
  }

  /** As the sagas use it. */
  asHost(): Host {
    return overlaid(this.#inner, {
      provision: async (spec) => await this.#provision(spec),
      start: async (vmId) => await this.#start(vmId, false),
      restart: async (vmId) => await this.#start(vmId, true),
      stop: async (vmId, graceful) => await this.#stop(vmId, graceful),
      patch: async (vmId, patch) => {
        const patched = await this.#inner.patch(vmId, patch)
        if (patch.size !== undefined) await this.#fit(patched)
        return patched
      },
      convert: async (vmId, conversion) => {
        const converted = await this.#inner.convert(vmId, conversion)
        await this.#release(vmId)
        return converted
      },
      remove: async (vmId) => {
        this.#signal.notify(await this.#placements.forget(vmId))
        await this.#inner.remove(vmId)
      },
    })
  }

  async #provision(spec: AnySpec): Promise<InstanceStatus> {
    const isNew = (await this.#inner.find(spec.vmId)) === undefined
    const place = async (): Promise<Placement> =>
      await this.#placements.transaction(async (tx) => await this.#place(tx, spec))
    if (isNew && (await this.#registry.hasJoined()) && (await this.#inner.fits(spec))) await retried(place)
    const provisioned = await this.#inner.provision(spec)
    if (this.#inner.isMadeByHost) await this.fence(spec.vmId)
    return provisioned
  }

  /** @throws ServiceError PlacementOver if the host does not carry the VM at that epoch */
  async carried(host: FleetHost, o: { vmId: string; epoch: number }): Promise<Placement> {
    const placed = await this.#placements.find(o.vmId)
    if (placed !== undefined && isHeld(placed, host, o.epoch) && placed.fenced_epoch === o.epoch) return placed
    throw placementOver(o)
  }

  /** A report from the host of a guest. @throws ServiceError PlacementOver */
  async take(host: FleetHost, said: CarriedInstance): Promise<void> {
    await this.#placements.transaction(async (tx) => {
      const placed = await this.#placements.lock(tx, said.vmId)
      if (placed === undefined || !isHeld(placed, host, said.epoch)) throw placementOver(said)
      const isAsked = said.run === placed.run
      await this.#inner.take(tx, said, isAsked)
      // A guest that powered off, or does not start, is not restarted on its host.
      const { state } = said.status.power
      const hasEnded = said.run > 0 && (state === 'Failed' || state === 'Stopped')
      if (isAsked && hasEnded && placed.wanted === 'Running') await this.#placements.want(tx, placed, 'Stopped')
    })
  }

  async #place(tx: Db, spec: AnySpec, candidates?: Candidate[]): Promise<Placement> {
    const { vmId, resourceId } = spec
    return await this.#placements.place(tx, { vmId, resourceId, need: needOf(spec), ...(candidates && { candidates }) })
  }

  /** @param again whether a running VM is restarted. @throws ServiceError AllocationFailed */
  async #start(vmId: string, again: boolean): Promise<InstanceStatus> {
    const status = await this.#inner.find(vmId)
    const isPlaced = (await this.#placements.find(vmId)) !== undefined
    if (!isPlaced || status === undefined) return await (again ? this.#inner.restart(vmId) : this.#inner.start(vmId))
    if (status.provisioning.state === 'Failed') throw notMade()
    const runs = ['Ready', 'Starting'].includes(status.power.state)
    if (runs && !again) return status
    let host: string | null = null
    const start = async (tx: Db): Promise<boolean> => {
      const placed = await this.#place(tx, status.spec)
      await this.#placements.want(tx, placed, 'Running', { again: true })
      host = placed.host
      return true
    }
    await retried(async () => await this.#inner.turn(vmId, 'Starting', startStep, start))
    await this.fence(vmId)
    this.#signal.notify(host)
    return (await this.#inner.find(vmId)) ?? status
  }

  async #stop(vmId: string, graceful: boolean): Promise<InstanceStatus | undefined> {
    const status = await this.#inner.find(vmId)
    const isPlaced = (await this.#placements.find(vmId)) !== undefined
    if (!isPlaced || status === undefined) return await this.#inner.stop(vmId, graceful)
    if (status.power.state === 'Stopped') return status
    let host: string | null = null
    await this.#inner.turn(vmId, 'Stopping', 'stop on its host', async (tx) => {
      const placed = await this.#placements.lock(tx, vmId)
      if (placed === undefined) return false
      await this.#placements.want(tx, placed, 'Stopped')
      host = placed.host
      return true
    })
    // A VM that waits for a host runs nowhere.
    if (host === null) await this.#inner.turn(vmId, 'Stopped', 'stop', always)
    this.#signal.notify(host)
    return await this.#inner.find(vmId)
  }

  /** A resized VM is placed again at its next start. */
  async #fit({ vmId, spec }: InstanceStatus): Promise<void> {
    const placed = await this.#placements.find(vmId)
    const { vCPUs, memoryMiB } = spec.size
    if (placed?.vcpus !== vCPUs || placed.memory_mib !== memoryMiB) await this.#release(vmId)
  }

  async #release(vmId: string): Promise<void> {
    this.#signal.notify(await this.#placements.transaction(async (tx) => await this.#placements.release(tx, vmId)))
  }

  /**
   * A host's report on VMs. It counts for VMs placed on that host, under the epoch and start it names; others are
   * ignored.
   * @returns VMs that have ended for this host
   */
  async report(host: FleetHost, vms: readonly VmReport[]): Promise<string[]> {
    const over: string[] = []
    for (const vm of vms) {
      const placed = await this.#placements.find(vm.vmId)
      if (!isHeld(placed, host, vm.epoch)) over.push(vm.vmId)
      const wanted = vm.state === 'Ready' ? 'Running' : 'Stopped'
      const isAsked = (each: Placement | undefined): boolean =>
        isHeld(each, host, vm.epoch) && each?.run === vm.run && each.wanted === wanted
      // Guests' states are reported at /instance, with their evidence.
      if (!isAsked(placed) || this.#inner.isMadeByHost) continue
      const first = async (tx: Db): Promise<boolean> => isAsked(await this.#placements.lock(tx, vm.vmId))
      if (vm.state === 'Ready') await this.#started(vm.vmId, first)
      else await this.#inner.turn(vm.vmId, 'Stopped', 'stop', first)
    }
    return over
  }

  /** A VM that its owner's provider refuses is stopped. */
  async #started(vmId: string, first: (tx: Db) => Promise<boolean>): Promise<void> {
    await this.#inner.started(vmId, startStep, first)
    if ((await this.#inner.find(vmId))?.power.state !== 'Failed') return
    await this.#placements.transaction(async (tx) => {
      const placed = await this.#placements.lock(tx, vmId)
      if (placed !== undefined && (await first(tx))) await this.#placements.want(tx, placed, 'Stopped')
    })
  }

  /** Takes VMs off a host with an expired lease, in one transaction: those that ran wait for another host. */
  async abandon(host: string, vms: readonly Placement[]): Promise<void> {
    const abandon = async (tx: Db): Promise<void> => {
      const vmIds = vms.map(({ vm_id: vmId }) => vmId)
      for (const { vm_id: vmId, wanted, moving } of await this.#placements.abandon(tx, { host, vmIds })) {
        if (wanted === 'Stopped' && moving === 0)
          await this.#inner.turnIn(tx, vmId, 'Stopped', 'stop (its host was lost)')
        else await this.#inner.turnIn(tx, vmId, 'Starting', 'wait for another host (its own was lost)')
      }
    }
    await retried(async () => await this.#placements.transaction(abandon))
  }

  /** For a deallocated VM: frees its host. */
  async released(tx: Db, vmId: string): Promise<void> {
    await this.#placements.release(tx, vmId)
  }

  /**
   * What a host must carry, with a revision that each change increments.
   * @param known the host's revision: nothing is read if it is current
   */
  async ordersOf(host: FleetHost, known?: number): Promise<{ revision: number; carry?: VmOrder[] }> {
    // The revision first: later changes are sent again.
    const revision = await this.#placements.revision(host.id)
    if (revision === known) return { revision }
    const carry = await this.#placements.on(host.id)
    const told = carry.filter(({ epoch, fenced_epoch }) => fenced_epoch === epoch)
    const moves = await this.#planned.byVm()
    const order = async (placed: Placement): Promise<VmOrder> => {
      const { vm_id: vmId, epoch, wanted, run } = placed
      const move = moves.get(vmId)
      const event = move !== undefined && { event: eventOf(move) }
      return { vmId, epoch, wanted, run, ...(await this.#inner.orderOf(placed)), ...event }
    }
    return { revision, carry: await Promise.all(told.map(order)) }
  }

  /** Waits until the host's revision differs from the known one, for at most this long. */
  async awaitOrders(
    host: FleetHost,
    known: number | undefined,
    milliseconds: number,
    givenUp: AbortSignal,
  ): Promise<void> {
    if (known !== undefined && known === (await this.#placements.revision(host.id)))
      await this.#signal.wait(host.id, milliseconds, givenUp)
  }

  /** For the VM's owner or its guest. @param event id, if named @throws ServiceError EventNotPlanned */
  async approveMove(vmId: string, event?: string): Promise<void> {
    await this.#planned.approve(vmId, event)
  }

  /** Gives waiting VMs hosts, in one transaction; these are told once the fence stands. What none can carry waits on. */
  async placeAgain(waiting: readonly Placement[], candidates: Candidate[]): Promise<void> {
    const found = await Promise.all(waiting.map(async ({ vm_id: vmId }) => await this.#inner.find(vmId)))
    const vms = found.filter((status) => status !== undefined)
    if (vms.length === 0) return
    const place = async (tx: Db): Promise<void> => {
      const locked = await this.#placements.lockAll(
        tx,
        vms.map(({ vmId }) => vmId),
      )
      for (const { vmId, spec } of vms) {
        const before = locked.get(vmId)
        if (before === undefined || before.host !== null || before.wanted !== 'Running') continue
        const placed = await this.#place(tx, spec, candidates).catch(unlessFull)
        if (placed === undefined) continue
        await this.#placements.want(tx, placed, 'Running', { again: true })
        await this.#inner.turnIn(tx, vmId, 'Starting', startStep)
      }
    }
    await retried(async () => await this.#placements.transaction(place))
  }

  /** Informs the vault of a new placement, and only then the host: the previous host no longer gets the key. */
  async fence(vmId: string): Promise<void> {
    const placed = await this.#placements.find(vmId)
    if (placed === undefined || placed.host === null || placed.fenced_epoch === placed.epoch) return
    await this.#inner.fence(vmId)
    this.#signal.notify(await this.#placements.fenced(placed))
  }
}

const isHeld = (placed: Placement | undefined, host: FleetHost, epoch: number): boolean =>
  placed?.host === host.id && placed.epoch === epoch

const always = async (): Promise<boolean> => await Promise.resolve(true)

const notMade = (): ServiceError =>
  new ServiceError({
    code: 'InstanceNotProvisioned',
    message: 'The virtual machine was not created.',
    remedy: 'Delete it and create it again.',
  })

const placementOver = ({ vmId, epoch }: { vmId: string; epoch: number }): ServiceError =>
  new ServiceError({
    code: 'PlacementOver',
    message: 'The host does not carry this virtual machine, or not at this epoch.',
    target: vmId,
    expected: 'a virtual machine in the host’s current orders',
    found: `epoch ${epoch}`,
    remedy: 'None on this host: the next heartbeat tells it what it carries.',
  })

/** Undefined where no host has room. */
function unlessFull(error: unknown): undefined {
  if (!(error instanceof ServiceError && error.code.endsWith('AllocationFailed'))) throw error
}

const attempts = 5

/** Concurrent placements may deadlock on Postgres, which then aborts one of them. */
async function retried<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (attempt === attempts || !(error instanceof ServiceError) || error.code !== 'ServerBusy') throw error
    }
  }
}
