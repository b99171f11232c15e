/**
 * Disks that a host keeps beside its VMs: snapshots, images, and disks that no VM has. Part of the host's wire
 * (host.ts); `id` is an upper-case GUID that no VM has.
 *
 * PUT    /disks/{id}           StoredDiskSpec → 202 StoredDiskStatus      copies; idempotent for the same spec, a failed one is tried again
 * GET    /disks/{id}           → 200 StoredDiskStatus | 404
 * DELETE /disks/{id}           → 204                                  idempotent; destroys disk and guest state; 409 while a VM has it
 * POST   /disks/{id}/finish    FinishUpload → 202 StoredDiskStatus      what was uploaded is looked at and taken
 * POST   /disks/{id}/access    DiskAccessRequest → 200 DiskAccess     a disk that is kept, or the OS disk of a VM (its id) that is off
 * DELETE /disks/{id}/access    → 204                                  idempotent; its addresses are dead at once
 *
 * The addresses of `access` are served at https://disks.blob.strongroom.internal by the host, without a bearer token:
 * GET and HEAD (with Range), and for uploads PUT and PUT ?comp=page of page blobs. What they give of an encrypted disk and
 * of any guest state is ciphertext.
 */
import type { ErrorDetail } from './errors.ts'
import type { ImageRecord, ProvisioningState, SecurityEncryptionType, StepTiming, Tee } from './host.ts'
import { domain } from './names.ts'

export const diskBlobHost: string = `disks.blob.${domain}`

/** Whose guest state it is: what the paravisor attests as, to have the key released that opens it. */
export interface GuestIdentity {
  /** Upper-case GUID of a VM or of a kept disk. */
  vmId: string
  tee: Tee
  encryption: SecurityEncryptionType
  secureBoot: boolean
  /** Key identifier with version. */
  guestStateKey: string
  attestationProvider: string
}

export type StoredDiskSource =
  /** A VM of this host that is off. */
  | { from: 'instance'; vmId: string }
  | { from: 'disk'; id: string }
  /** ImageRecord.id */
  | { from: 'image'; image: string }
  /** file:///… of the operator, or an address of `access`. */
  | { from: 'uri'; uri: string; guestStateUri?: string }
  | { from: 'empty'; sizeGiB: number }
  | { from: 'upload'; bytes: number; withGuestState: boolean }

export interface StoredDiskSpec {
  id: string
  /** For logs and messages. */
  name: string
  source: StoredDiskSource
  /** The disk carries guest state, and this is who it opens for: bound anew, so that it opens for nobody else. */
  guest?: GuestIdentity
  /** Who the source's guest state opens for. Not needed where the source is a VM or a disk of this host. */
  guestOfSource?: GuestIdentity
}

export interface StoredDiskStatus {
  id: string
  /** Running, Succeeded, Failed; Uploading waits for what a client writes. */
  state: ProvisioningState | 'Uploading'
  steps: StepTiming[]
  error?: ErrorDetail
  /** Length of the disk; 0 until it is known. */
  sizeBytes: number
  /** What a VM may be made of; absent where the disk holds no operating system that qualifies. */
  image?: ImageRecord
  /** Every property that an image for confidential VMs has and this disk has not. */
  missing: ErrorDetail[]
  /** Upper-case GUID in the clear part of an uploaded guest state: for whom it opens. */
  guestStateOf?: string
  /** Upper-case GUID of the VM that has it as a data disk. */
  attachedTo?: string
  access?: { permission: DiskPermission; until: string }
}

export interface FinishUpload {
  guest?: GuestIdentity
  guestOfSource?: GuestIdentity
}

export type DiskPermission = 'Read' | 'Write'

export interface DiskAccessRequest {
  permission: DiskPermission
  /** How long the addresses live. */
  seconds: number
  /** Also of the guest state. */
  withGuestState: boolean
}

export interface DiskAccess {
  accessSAS: string
  securityDataAccessSAS?: string
}

/** ImageRecord.id of what a kept disk holds. */
export const storedImageId = (id: string): string => `disk-${id.toLowerCase()}`
