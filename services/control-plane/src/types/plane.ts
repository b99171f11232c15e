import type { AttestationVerifier, Clock, Logger, OperationRunner, Store } from '@strongroom/platform'
import type { Access } from '../arm/access.ts'
import type { ActivityLog } from '../arm/activity-log.ts'
import type { Dispatcher } from '../arm/dispatcher.ts'
import type { Locks } from '../arm/locks.ts'
import type { OperationNotes } from '../arm/operations.ts'
import type { Fleet } from '../fleet/wire/fleet.ts'
import type { AttestationClient } from '../host/attestation-client.ts'
import type { Passwords } from '../store/passwords.ts'
import type { CustomerKeys } from '../host/customer-keys.ts'
import type { VaultClient } from '../host/vault-client.ts'
import type { IdentityClient } from '../host/identity-client.ts'
import type { GuestStateKeys, Host } from '../host/host.ts'
import type { ResourceStore } from '../store/resources.ts'
import type { MeteredUsage } from './meter.ts'
import type { CoreQuotas, QuotaDesk } from './quota.ts'
import type { ResourceTypes } from './registry.ts'

/** What the providers of the resource manager share. */
export interface Plane {
  subscriptionId: string
  tenantId: string
  /** The installation's creator. */
  ownerObjectId: string
  clock: Clock
  logger: Logger
  newId(): string
  store: Store
  /** The resource types. */
  types: ResourceTypes
  resources: ResourceStore
  access: Access
  activity: ActivityLog
  locks: Locks
  passwords: Passwords
  quotas: CoreQuotas
  quotaRequests: QuotaDesk
  usage: MeteredUsage
  runner: OperationRunner
  /**
   * For work that waits for operations of `runner` and that `outer`'s operations wait for: neither must occupy the
   * slots that the other needs.
   */
  middle: OperationRunner
  /** For work that waits for operations of `runner` and `middle`. */
  outer: OperationRunner
  /** Deployments' requests pass the same checks as clients'. */
  dispatcher: Dispatcher
  notes: OperationNotes
  host: Host
  fleet: Fleet
  keys: GuestStateKeys
  identities: IdentityClient
  customerKeys: CustomerKeys
  attestation: AttestationClient
  /** Attestation providers of other origins named by the operator. */
  verifiers: readonly AttestationVerifier[]
  vaults: VaultClient
  /** Whether a VM with an unregistered image is refused, instead of using the reference image. */
  strictImages: boolean
  /** How often a saga polls the host, in milliseconds. */
  pollMs: number
}

export const groupPath = '/subscriptions/{subscription}/resourceGroups/{group}'
export const subscriptionPath = '/subscriptions/{subscription}'
