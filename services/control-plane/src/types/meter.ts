import type { MeterKind } from '@strongroom/contract'
import type { Json, Resource } from '../store/resources.ts'

export interface Meter {
  meter: MeterKind
  /** ARM id of what is used. */
  resourceId: string
  /** ARM id of the VM it belongs to; empty if none. */
  vmId: string
  region: string
  /** Size of a VM, storage type of a disk, SKU of an HSM. */
  sku: string
  /** GiB of a disk, otherwise 1. */
  quantity: number
  tags: Record<string, string>
}

/** Usage from `startedAt` until `endedAt`, or ongoing. */
export interface UsageInterval extends Meter {
  startedAt: Date
  endedAt?: Date
}

/** What was used. */
export interface MeteredUsage {
  now(): Date
  /** Intervals that overlap [from, to), by start time. */
  list(o: { from: Date; to: Date }): Promise<UsageInterval[]>
}

/** Rows that meters are computed from, whatever wrote them. */
export type MeteredRow = Pick<Resource<unknown>, 'id' | 'type' | 'location' | 'body' | 'internal'>

/** Whether the meter counts GiB over time; otherwise presence. */
export const countsGiB = (meter: MeterKind): boolean =>
  meter === 'os-disk' || meter === 'os-disk-encrypted' || meter === 'data-disk' || meter === 'snapshot'

export const object = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {})
export const text = (value: unknown): string => (typeof value === 'string' ? value : '')
export const count = (value: unknown): number => (typeof value === 'number' && Number.isSafeInteger(value) ? value : 0)

/** The resource itself as one unit of the kind, by its SKU. */
export const meterOf = (row: MeteredRow, meter: MeterKind, quantity: number = 1): Meter => ({
  meter,
  resourceId: row.id,
  vmId: '',
  region: row.location,
  sku: text(row.body.sku?.['name']),
  quantity,
  tags: row.body.tags ?? {},
})
