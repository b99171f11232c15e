import type { HostView, Tee } from '@strongroom/contract'
import type { Selectable } from 'kysely'
import type { Tables } from '../store/tables.ts'

export type HostRow = Selectable<Tables['fleet_host']>

/** A host of the registry. */
export interface FleetHost {
  name: string
  id: string
  region: string
  zone: string | undefined
  tees: Tee[]
  labels: Record<string, string>
  vCPUs: number
  memoryMiB: number
  state: HostRow['state']
  /** SHA-256 of its key, hexadecimal, once it has joined. */
  key: string | undefined
  joinedAt: string | undefined
  /** While it is drained: how long VMs are left on it, unless their owners decide otherwise. */
  noticeSeconds: number
}

/** With its lease, judged by the database's clock. */
export interface LeasedHost extends FleetHost {
  /** Undefined until it has joined. */
  leaseUntil: string | undefined
  isAlive: boolean
  usedVCPUs: number
  usedMemoryMiB: number
  /** How many VMs are placed on it. */
  vms: number
  /** Until its lease is over, in seconds; negative afterwards. Undefined until it has joined. */
  leaseSeconds: number | undefined
}

/** An operator's description of a host that is to join. */
export type NewHost = Pick<FleetHost, 'name' | 'region' | 'zone' | 'tees' | 'labels' | 'vCPUs' | 'memoryMiB'>

export const toHost = (row: HostRow): FleetHost => ({
  name: row.name,
  id: row.id,
  region: row.region,
  zone: row.zone ?? undefined,
  tees: JSON.parse(row.tees) as Tee[],
  labels: JSON.parse(row.labels) as Record<string, string>,
  vCPUs: row.vcpus,
  memoryMiB: row.memory_mib,
  state: row.state,
  key: row.key ?? undefined,
  joinedAt: row.joined_at ?? undefined,
  noticeSeconds: row.notice_seconds,
})

/** @param now the database's time */
export const toLeasedHost = (
  row: HostRow,
  o: { until: string | null; vcpus: number | null; memoryMiB: number | null; vms: number | null },
  now: Date,
): LeasedHost => ({
  ...toHost(row),
  leaseUntil: o.until ?? undefined,
  isAlive: o.until !== null && o.until >= now.toISOString(),
  usedVCPUs: o.vcpus ?? 0,
  usedMemoryMiB: o.memoryMiB ?? 0,
  vms: o.vms ?? 0,
  leaseSeconds: o.until === null ? undefined : (Date.parse(o.until) - now.getTime()) / 1000,
})

/** As `host list` shows it. */
export const stateOf = (host: LeasedHost): HostView['state'] =>
  host.state === 'Invited' || host.isAlive ? host.state : 'Lost'

export const hostView = (host: LeasedHost): HostView => ({
  name: host.name,
  id: host.id,
  region: host.region,
  ...(host.zone !== undefined && { zone: host.zone }),
  tees: host.tees,
  labels: host.labels,
  capacity: { vCPUs: host.vCPUs, memoryMiB: host.memoryMiB },
  reserved: { vCPUs: host.usedVCPUs, memoryMiB: host.usedMemoryMiB },
  vms: host.vms,
  state: stateOf(host),
  ...(host.key !== undefined && { key: host.key }),
  ...(host.joinedAt !== undefined && { joinedAt: host.joinedAt }),
  ...(host.leaseUntil !== undefined && { leaseUntil: host.leaseUntil }),
})
