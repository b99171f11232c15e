import type { Clock, Logger, OperationRunner, Store } from '@strongroom/platform'
import type { Access } from './arm/access.ts'
import type { ActivityLog } from './arm/activity-log.ts'
import type { OperationNotes } from './arm/operations.ts'
import type { Quotas } from './compute/quotas.ts'
import type { GuestStateKeys, Machine } from './machine/machine.ts'
import type { ResourceStore } from './store/resources.ts'

/** What the providers of the resource manager share. */
export interface Plane {
  subscriptionId: string
  tenantId: string
  clock: Clock
  logger: Logger
  newId(): string
  store: Store
  resources: ResourceStore
  access: Access
  activity: ActivityLog
  quotas: Quotas
  runner: OperationRunner
  notes: OperationNotes
  machine: Machine
  keys: GuestStateKeys
  /** How often a saga looks at the machine, in milliseconds. */
  pollMs: number
}

export const groupPath = '/subscriptions/{subscription}/resourceGroups/{group}'
export const subscriptionPath = '/subscriptions/{subscription}'
