import { anyText, flag, list, map, named, object, type TypeOf } from '../../shape/index.ts'
import { deletion, guid, region, resourceId, retention } from './vault.ts'

const members = {
  resourceId,
  location: region,
  tenantId: guid,
  /** Object ids of the HSM's initial administrators; afterwards local roles decide. */
  initialAdminObjectIds: list(guid, { least: 1, most: 100 }),
  softDeleteRetentionInDays: retention,
  enablePurgeProtection: flag,
  tags: map(anyText),
}
export const managedHsmDefinition = named('ManagedHsmDefinition', object(members))
export type ManagedHsmDefinition = TypeOf<typeof managedHsmDefinition>

/** `activated`: whether it has a security domain, and so serves keys. */
const recorded = { ...members, name: anyText, createdAt: anyText, activated: flag }
export const managedHsmRecord = named('ManagedHsmRecord', object(recorded))
export type ManagedHsmRecord = TypeOf<typeof managedHsmRecord>

export const deletedManagedHsmRecord = named('DeletedManagedHsmRecord', object({ ...recorded, ...deletion }))
export type DeletedManagedHsmRecord = TypeOf<typeof deletedManagedHsmRecord>
