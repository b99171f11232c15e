import type { Candidate, Need } from './choose.ts'

type Shape = Pick<Candidate, 'zone' | 'tees' | 'vCPUs' | 'memoryMiB'>

/** What a VM of a size requires of a host. */
export type SizeNeed = Pick<Need, 'tee' | 'vCPUs' | 'memoryMiB'>

/** Where a region's hosts can carry a size. */
export interface SizeAt {
  /** Whether any of its hosts can. */
  isCarried: boolean
  /** Zones of its hosts. */
  zones: string[]
  /** Those of them where no host can. */
  without: string[]
}

/**
 * Which sizes the hosts that have joined and are not drained can carry while empty, for lists of sizes. Whether there is
 * room for a VM is decided when it is placed.
 */
export class CarriedSizes {
  /** By region; hosts that do not differ here are one. */
  readonly #shapes = new Map<string, Map<string, Shape>>()

  constructor(candidates: readonly Candidate[]) {
    for (const { region, closed, zone, tees, vCPUs, memoryMiB } of candidates) {
      // A host that is unreachable for now still has its silicon: a list of sizes would otherwise vary with a lease.
      if (closed === 'invited' || closed === 'draining') continue
      const shapes = this.#shapes.get(region) ?? new Map<string, Shape>()
      this.#shapes.set(region, shapes)
      shapes.set(JSON.stringify([zone, tees, vCPUs, memoryMiB]), { zone, tees, vCPUs, memoryMiB })
    }
  }

  in(region: string, size: SizeNeed): SizeAt {
    const all = [...(this.#shapes.get(region)?.values() ?? [])]
    const carrying = all.filter((host) => carries(host, size))
    const zones = zonesOf(all)
    const within = zonesOf(carrying)
    return { isCarried: carrying.length > 0, zones, without: zones.filter((zone) => !within.includes(zone)) }
  }
}

const zonesOf = (hosts: readonly Shape[]): string[] =>
  [...new Set(hosts.flatMap(({ zone }) => (zone === undefined ? [] : [zone])))].toSorted()

const carries = (host: Shape, { tee, vCPUs, memoryMiB }: SizeNeed): boolean =>
  (tee === undefined || host.tees.includes(tee)) && vCPUs <= host.vCPUs && memoryMiB <= host.memoryMiB
