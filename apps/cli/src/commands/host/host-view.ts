import type { HostView } from '@strongroom/contract'
import type { ArmClient } from '../../client/arm.ts'
import type { Result } from '../../core/output.ts'

export const hostsVersion = '2026-11-01'
export const hostPathOf = (arm: ArmClient, name: string): string =>
  `${arm.subscription}/providers/Strongroom.Fleet/hosts/${encodeURIComponent(name)}`

export const hostColumns = ['Name', 'Region', 'Zone', 'Silicon', 'Cores', 'Memory', 'State', 'Lease until']
export const hostRow = (host: HostView): string[] => [
  host.name,
  host.region ?? '',
  host.zone ?? '',
  (host.tees ?? []).join(','),
  host.capacity === undefined ? '' : String(host.capacity.vCPUs),
  host.capacity === undefined ? '' : `${Math.floor(host.capacity.memoryMiB / 1024)} GiB`,
  host.state,
  host.leaseUntil ?? '',
]
export const shownHost = (host: HostView): Result => ({
  data: host,
  table: { columns: hostColumns, rows: [hostRow(host)] },
})
