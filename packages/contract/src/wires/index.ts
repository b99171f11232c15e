import { hostWire } from './host/host-wire.ts'
import { vaultManagementWire } from './vault/vault-management-wire.ts'
import type { Wire } from './wire.ts'

export * from './host/requests.ts'
export * from './host/status.ts'
export * from './host/vm.ts'
export * from './host/disks.ts'
export { openApiOf, type OpenApi } from './openapi.ts'
export { descriptionPath, routeOf, type Wire, type WireOperation } from './wire.ts'
export { managedHsmDefinition } from './vault/managed-hsm.ts'
export { vaultChange } from './vault/vault.ts'
export { hostWire, vaultManagementWire }
export { lowerCaseGuid } from './host/names.ts'

/** Every wire of ours, each of which its server describes at /openapi.json. */
export const wires: readonly Wire[] = [hostWire, vaultManagementWire]
