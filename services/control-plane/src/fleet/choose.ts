import {
  ruledOutReasons,
  type PlacementExplanation,
  type RuledOutReason,
  type SetDomains,
  type SpreadSet,
  type Tee,
} from '@strongroom/contract'

/** A host as the choice sees it, with its reservations. */
export interface Candidate {
  id: string
  name: string
  region: string
  zone: string | undefined
  tees: readonly Tee[]
  vCPUs: number
  memoryMiB: number
  usedVCPUs: number
  usedMemoryMiB: number
  /** Absent if it accepts VMs. */
  closed?: 'invited' | 'draining' | 'lost'
}

/** What a VM requires of a host. */
export type Need = PlacementExplanation['need']

/** Another VM of the same set, on a host. */
export interface SetMember extends SetDomains {
  /** The host's id. */
  host: string
}

/** How many hosts are named per reason. */
const named = 5

/** Hosts ruled out for one reason: how many, and the first ones by name. */
class RuledOut {
  count = 0
  readonly hosts: string[] = []

  add(name: string): void {
    this.count += 1
    // Never sorted as a whole: a choice is linear in the number of hosts.
    const at = this.hosts.findIndex((other) => name < other)
    if (at >= 0) this.hosts.splice(at, 0, name)
    else if (this.hosts.length < named) this.hosts.push(name)
    if (this.hosts.length > named) this.hosts.pop()
  }
}

/**
 * Chooses a VM's host among those that can carry it: of those with the fewest VMs of its set, from the least reserved
 * zone the least reserved host, then the first by name. It depends only on its arguments, and not on their order.
 * @param members the other VMs of `need.spread`
 */
export function choose(
  candidates: readonly Candidate[],
  need: Need,
  members: readonly SetMember[] = [],
): { host?: Candidate; why: PlacementExplanation } {
  const ruledOut = new Map<RuledOutReason, RuledOut>()
  const fitting: Candidate[] = []
  const zones = new Map<string, { used: number; all: number }>()
  for (const candidate of candidates) {
    const reason = reasonAgainst(candidate, need)
    if (reason === undefined) fitting.push(candidate)
    else {
      const those = ruledOut.get(reason) ?? new RuledOut()
      ruledOut.set(reason, those)
      those.add(candidate.name)
    }
    if (candidate.region !== need.region || candidate.closed !== undefined) continue
    const zone = zones.get(candidate.zone ?? '') ?? { used: 0, all: 0 }
    zone.used += candidate.usedVCPUs
    zone.all += candidate.vCPUs
    zones.set(candidate.zone ?? '', zone)
  }
  const zoneOf = ({ zone = '' }: Candidate): { used: number; all: number } => zones.get(zone) ?? { used: 0, all: 1 }
  const others = new Map<string, number>()
  for (const { host } of members) others.set(host, (others.get(host) ?? 0) + 1)
  const othersOn = ({ id }: Candidate): number => others.get(id) ?? 0
  // Shares are compared crosswise as whole numbers, so that equal ones are equal.
  const host = fitting.reduce<Candidate | undefined>((best, each) => {
    if (best === undefined) return each
    const [a, b] = [zoneOf(each), zoneOf(best)]
    const order =
      othersOn(each) - othersOn(best) ||
      a.used * b.all - b.used * a.all ||
      compareNames(each.zone ?? '', best.zone ?? '') ||
      each.usedVCPUs * best.vCPUs - best.usedVCPUs * each.vCPUs ||
      compareNames(each.name, best.name)
    return order < 0 ? each : best
  }, undefined)
  return {
    ...(host !== undefined && { host }),
    why: {
      need,
      considered: candidates.length,
      fitting: fitting.length,
      ruledOut: ruledOutReasons.flatMap((reason) => {
        const those = ruledOut.get(reason)
        return those === undefined ? [] : [{ reason, count: those.count, hosts: those.hosts }]
      }),
      ...(host !== undefined && {
        chosen: {
          host: host.name,
          ...(host.zone !== undefined && { zone: host.zone }),
          reservedVCPUs: host.usedVCPUs,
          vCPUs: host.vCPUs,
          ...(need.spread && { spread: { ...domainsOn(host, need.spread, members), others: othersOn(host) } }),
        },
      }),
    },
  }
}

/** Domains with the fewest VMs; but VMs on one host fail together, and so share its fault domain. */
function domainsOn(host: Candidate, set: SpreadSet, members: readonly SetMember[]): SetDomains {
  const there = members.find((member) => member.host === host.id)
  return {
    faultDomain:
      there?.faultDomain ??
      leastUsed(
        members.map(({ faultDomain }) => faultDomain),
        set.faultDomains,
      ),
    updateDomain: leastUsed(
      members.map(({ updateDomain }) => updateDomain),
      set.updateDomains,
    ),
  }
}

/** The first of 0 to `count` - 1 that occurs least often. */
function leastUsed(used: readonly number[], count: number): number {
  const times = Array.from({ length: count }, (_, domain) => used.filter((each) => each === domain).length)
  return times.indexOf(Math.min(...times))
}

const compareNames = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The first reason that rules a host out, in the order of `ruledOutReasons`. */
function reasonAgainst(host: Candidate, need: Need): RuledOutReason | undefined {
  if (host.closed !== undefined) return host.closed
  if (host.region !== need.region) return 'region'
  if (need.zone !== undefined && host.zone !== need.zone) return 'zone'
  if (need.tee !== undefined && !host.tees.includes(need.tee)) return 'silicon'
  if (host.usedVCPUs + need.vCPUs > host.vCPUs) return 'cores'
  if (host.usedMemoryMiB + need.memoryMiB > host.memoryMiB) return 'memory'
  return undefined
}

const sentences: Record<RuledOutReason, string> = {
  invited: 'has not joined yet',
  lost: 'has not called within its lease',
  draining: 'is being drained',
  region: 'is in another region',
  zone: 'is in another zone',
  silicon: 'has no such processor',
  cores: 'has no room for its cores',
  memory: 'has no room for its memory',
}

/** One line per reason, such as `3 hosts: has no room for its cores (a, b, c)`. */
export const explainRuledOut = ({ ruledOut }: PlacementExplanation): string[] =>
  ruledOut.map(({ reason, count, hosts }) => {
    const some = hosts.length < count ? `${hosts.join(', ')}, …` : hosts.join(', ')
    return `${count} host${count === 1 ? '' : 's'}: ${sentences[reason]} (${some})`
  })
