import { localHostName, type SetDomains, type ShownHost, type VmPlacement } from '@strongroom/contract'
import type { CarriedCompute } from './carried-compute.ts'
import { CarriedSizes, type SizeAt, type SizeNeed } from './carried-sizes.ts'
import type { Draining } from './draining.ts'
import type { FleetHost } from './fleet-host.ts'
import { domainsAt, ownHostDomains, type Placement, type Placements } from './placements.ts'
import { eventOf, type PlannedMove, type PlannedMoves } from './planned-moves.ts'
import type { HostRegistry } from './registry.ts'

type Carried = NonNullable<ShownHost['carries']>[number]

/** What the views of VMs show of their placements. */
export interface PlacedViews {
  /** The move off a drained host that is planned for a VM. */
  move(vmId: string): Promise<PlannedMove | undefined>
  /** Of a VM in a set; undefined while it has no host. */
  domains(vmId: string): Promise<SetDomains | undefined>
}

interface Parts {
  inner: CarriedCompute
  placements: Placements
  registry: HostRegistry
  planned: PlannedMoves
  draining: Draining
}

/** Where VMs are, where they can be, and where they will move, for their owners and the operator. */
export class PlacementViews {
  readonly #o: Parts

  constructor(o: Parts) {
    this.#o = o
  }

  async carriedBy(host: Pick<FleetHost, 'id'>): Promise<Carried[]> {
    const [carried, moves, now] = [
      await this.#o.placements.on(host.id),
      await this.#o.planned.byVm(),
      await this.#o.planned.now(),
    ]
    return await Promise.all(
      carried.map(async (placed) => {
        const { vm_id, resource_id: resourceId, epoch, wanted, vcpus: vCPUs, memory_mib: memoryMiB } = placed
        const power = (await this.#o.inner.find(vm_id))?.power.state
        const move = moves.get(vm_id)
        return {
          resourceId,
          epoch,
          wanted,
          ...(power !== undefined && { power }),
          vCPUs,
          memoryMiB,
          ...(move !== undefined && { move: await this.#shownMove(placed, move, now) }),
        }
      }),
    )
  }

  async #shownMove(placed: Placement, move: PlannedMove, now: string): Promise<NonNullable<Carried['move']>> {
    const { status, notBefore } = eventOf(move)
    const waitsFor = status === 'Started' ? undefined : await this.#o.draining.obstacle(placed, move, now)
    const approved = move.approved_at !== null
    return { status, notBefore, approved, ...(waitsFor !== undefined && { waitsFor }) }
  }

  /** One VM's. */
  get one(): PlacedViews {
    const { planned, placements } = this.#o
    return {
      move: async (vmId) => await planned.find(vmId),
      domains: async (vmId) => {
        const placed = await placements.find(vmId)
        return placed === undefined ? ownHostDomains : domainsAt(placed)
      },
    }
  }

  /** Those of a list: each table is read once, if at all. */
  ofList(): PlacedViews {
    const { planned, placements } = this.#o
    let moves: ReturnType<PlannedMoves['byVm']> | undefined
    let domains: ReturnType<Placements['domains']> | undefined
    return {
      move: async (vmId) => (await (moves ??= planned.byVm())).get(vmId),
      domains: async (vmId) => {
        const all = await (domains ??= placements.domains())
        return all.has(vmId) ? all.get(vmId) : ownHostDomains
      },
    }
  }

  /**
   * What joined hosts can carry: where a new VM of a size could go. Undefined for what goes to the server's own host,
   * which is everything until a host has joined.
   */
  async carriedSizes(): Promise<((region: string, size: SizeNeed) => SizeAt | undefined) | undefined> {
    if (!(await this.#o.registry.hasJoined())) return undefined
    const sizes = new CarriedSizes(await this.#o.placements.candidates())
    return (region, size) =>
      size.tee === undefined && !this.#o.inner.carriesOrdinary ? undefined : sizes.in(region, size)
  }

  /** Where a VM is, and why. */
  async placementOf(vmId: string): Promise<VmPlacement> {
    const placed = await this.#o.placements.find(vmId)
    if (placed === undefined) return { host: localHostName, epoch: 0 }
    const name = placed.host === null ? undefined : await this.#o.registry.nameOf(placed.host)
    return {
      ...(name !== undefined && { host: name }),
      epoch: placed.epoch,
      ...(placed.placed_at !== null && { placedAt: placed.placed_at }),
      why: shownWhy(placed.why),
    }
  }
}

/** Without the remark about the previous host for the next placement. */
function shownWhy(text: string): NonNullable<VmPlacement['why']> {
  const { left: _left, ...why } = JSON.parse(text) as NonNullable<VmPlacement['why']> & { left?: unknown }
  return why
}
