/**
 * Shapes of the resource manager's wire that clients of this installation read, beyond what Azure documents.
 * Served at https://management.strongroom.internal; every request carries `api-version` (any date is accepted).
 *
 * POST {vm}/retrieveBootEvidence   → 200 RetrievedEvidence of the last boot | 404 BootEvidenceNotFound
 * POST {vm}/retrieveFreshQuote     { nonce } → 200 AnsweredChallenge | 409 VmNotReady, GuestDidNotAnswer
 * POST {vm}/retrieveConnection     → 200 VmConnection | 409 VmNotReady
 * GET  {subscription}/providers/Strongroom.Machine/images         → 200 { value: ImageRecord[] }
 * POST {subscription}/providers/Strongroom.Machine/images/build   ?variant=reference|cloud-init → 202 ImageBuildStatus
 * GET  {subscription}/providers/Strongroom.Machine/images/build   ?variant=reference|cloud-init → 200 ImageBuildStatus
 * POST {subscription}/providers/Strongroom.Machine/images/import  { path, name } → 200 ImageRecord
 * POST {subscription}/providers/Strongroom.Machine/images/{image}/update  { path, generation? } → 200 ImageUpdate
 * POST {subscription}/providers/Strongroom.Machine/firmware/remove  { sha256 } → 200 FirmwareListDocument
 * GET  {subscription}/providers/Strongroom.Machine/firmware       → 200 FirmwareListDocument
 * POST {subscription}/providers/Strongroom.Machine/firmware/sign  { path?, version?, securityVersion? } → 200 FirmwareListDocument
 * POST {subscription}/providers/Strongroom.Machine/images/{image}/signVariable  { variable, append, lists } → 200 SignedVariable
 */
import type { AnyBootEvidence, Hex } from './wires/host/boot-evidence.ts'
import type { ErrorDetail } from './errors/error-body.ts'

/** Body behind the Azure-AsyncOperation URL. `steps` is ours: Azure's clients ignore it. */
export interface ArmOperation {
  id: string
  name: string
  status: 'InProgress' | 'Succeeded' | 'Failed' | 'Canceled'
  startTime: string
  endTime?: string
  error?: ErrorDetail
  properties: { steps: ArmOperationStep[] }
}

export interface ArmOperationStep {
  name: string
  state: 'Pending' | 'Running' | 'Done' | 'Undone' | 'Failed'
  startedAt?: string
  endedAt?: string
  message?: string
}

/** The host's evidence, with the resource manager's record. */
export type RetrievedEvidence = AnyBootEvidence & { asked?: AskedSettings }

/** The requested account, keys and data of a VM. Absent for a VM from a specialised image, which has its own. */
export interface AskedSettings {
  adminUsername: string
  sshPublicKeys: string[]
  /** SHA-256 of the custom data, decoded. Absent without custom data. */
  customDataSha256?: Hex
  /** SHA-256 of the password's salted hash. Absent without a password. */
  passwordSha256?: Hex
}

/** Where the guest's SSH port can be reached from this host. */
export interface VmConnection {
  ssh: { host: string; port: number; user: string }
  adminUsername: string
}

export interface InstanceViewStatus {
  code: string
  level: 'Info' | 'Warning' | 'Error'
  displayStatus: string
  message?: string
  time?: string
}

/** URN of the image that the host builds from Debian's packages. */
export const referenceImageUrn = { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm' } as const
/** Imported images have the URN Strongroom:imported:{image id}:latest. */
export const importedImageOffer = 'imported'

/**
 * Resource types that are stored and shown, and have no effect in a guest, host, key or decision, with who needs them all
 * the same. Every other type names the test that shows its effect (services/control-plane/src/testing/effects.ts).
 */
export const storedOnly: Readonly<Record<string, string>> = {
  'Microsoft.Compute/sshPublicKeys': 'az and templates read the public key and send it with a VM',
  'Microsoft.Network/loadBalancers': 'no traffic passes it yet; scale sets name it',
  'Microsoft.Network/loadBalancers/backendAddressPools': 'no traffic passes it yet; network interfaces name it',
  'Microsoft.Network/loadBalancers/inboundNatRules': 'no traffic passes it yet; network interfaces name it',
  'Microsoft.Network/networkSecurityGroups': 'its rules are not enforced yet; clients send one with every VM',
  'Microsoft.Network/networkSecurityGroups/securityRules': 'not enforced yet; az vm open-port writes them',
  'Microsoft.Network/publicIPAddresses': 'nothing is reached at it yet; clients send one with every VM',
  'Microsoft.Network/virtualNetworks': 'no traffic passes it yet; clients send one with every VM',
  'Microsoft.Network/virtualNetworks/subnets': 'no traffic passes it yet; clients send one with every VM',
}
