import { attestationManagementWire } from './attestation/attestation-management-wire.ts'
import { attestationWire } from './attestation/attestation-wire.ts'
import { fleetWire } from './fleet/fleet-wire.ts'
import { guestWire } from './guest/guest-wire.ts'
import { hostWire } from './host/host-wire.ts'
import { identityWire } from './identity/identity-wire.ts'
import { managerWire } from './manager/manager-wire.ts'
import { ownerSocketWire } from './sockets/owner-socket-wire.ts'
import { testSocketWire } from './sockets/test-socket-wire.ts'
import { vaultManagementWire } from './vault/vault-management-wire.ts'
import { vaultWire } from './vault/vault-wire.ts'
import type { Wire } from './elements/wire.ts'

export { attestationProviderDefinition, attestationProviderMove } from './attestation/providers.ts'
export { beatRequest, certificateRequest, hostName, joinRequest, vmsReport } from './fleet/fleet-wire.ts'
export { carriedRecord } from './fleet/carried-record.ts'
export {
  carriedApproval,
  carriedCall,
  carriedDisk,
  carriedDocument,
  carriedInstance,
  carriedKey,
  carriedMeasurements,
  carriedOperations,
  carriedSilicon,
  carriedState,
  fleetStream,
  hostAnswer,
  largestCarriedBody,
} from './fleet/carried-wire.ts'
export { commandResult, reportPath, reportRequest, type CommandResult } from './guest/guest-wire.ts'
export { healthReport } from './guest/health.ts'
export * from './host/backups.ts'
export * from './host/disks.ts'
export { freshQuote, quoteChallenge } from './guest/fresh-quote.ts'
export { errorBody } from './elements/answers.ts'
export { lowerCaseGuid, vmId } from './elements/names.ts'
export * from './host/requests.ts'
export * from './host/status.ts'
export * from './host/vm.ts'
export {
  federatedCredentialName,
  federatedCredentialRequest,
  managedIdentityAssignments,
  managedIdentityRequest,
  managedIdentityTokenRequest,
} from './identity/managed-identities.ts'
export {
  deviceDecision,
  deviceQuestion,
  type DeviceSignInView,
  nothingSaid,
  ownerTokenRequest,
  publicNamesRequest,
  type PublicNamesState,
} from './sockets/owner-socket-wire.ts'
export {
  clearRequest,
  clockRequest,
  faultRequest,
  guestEvidenceRequest,
  platformEvidenceRequest,
  type ClockRequest,
  type Fault,
  type FaultKind,
  type TestStatus,
} from './sockets/test-socket-wire.ts'
export { accessQuestion } from './manager/access.ts'
export { priceList, priceUnits } from './manager/billing.ts'
export { drainRequest, hostDefinition } from './manager/hosts.ts'
export { quotaDecision, subscriptionKind } from './manager/quota.ts'
export { managedHsmDefinition } from './vault/managed-hsm.ts'
export { vaultChange, vmFirmware } from './vault/vault.ts'
export { guestStateGenerationRequest, keyPlacementRequest } from './vault/vault-wire.ts'
export { openApiOf, type OpenApi } from './openapi.ts'
export { descriptionPath, routeOf, type Wire, type WireOperation } from './elements/wire.ts'
export {
  attestationManagementWire,
  attestationWire,
  fleetWire,
  guestWire,
  hostWire,
  identityWire,
  managerWire,
  ownerSocketWire,
  testSocketWire,
  vaultManagementWire,
  vaultWire,
}

/** Every wire of ours, each described by its server at /openapi.json. */
export const wires: readonly Wire[] = [
  hostWire,
  fleetWire,
  managerWire,
  guestWire,
  vaultManagementWire,
  vaultWire,
  attestationManagementWire,
  attestationWire,
  identityWire,
  ownerSocketWire,
  testSocketWire,
]
