/**
 * Shapes of the resource manager's wire that clients of this installation read, beyond what Azure documents.
 * Served at https://management.strongroom.internal; every request carries `api-version` (any date is accepted).
 *
 * POST {vm}/retrieveBootEvidence   → 200 BootEvidence of the last boot | 404 BootEvidenceNotFound
 * POST {vm}/retrieveConnection     → 200 VmConnection | 409 VmNotReady
 * GET  {subscription}/providers/Strongroom.Machine/images         → 200 { value: ImageRecord[] }
 * POST {subscription}/providers/Strongroom.Machine/images/build   → 202 ImageBuildStatus
 * GET  {subscription}/providers/Strongroom.Machine/images/build   → 200 ImageBuildStatus
 * POST {subscription}/providers/Strongroom.Machine/images/import  { path, name } → 200 ImageRecord
 */
import type { ErrorDetail } from './errors.ts'

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

/** Where the guest's SSH port can be reached from this machine. */
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

/** URN of the image that the machine builds from Debian's packages. */
export const referenceImageUrn = { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm' } as const
/** Imported images have the URN Strongroom:imported:{image id}:latest. */
export const importedImageOffer = 'imported'
