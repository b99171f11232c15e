/** Disks that a host keeps beside its VMs: snapshots, images, and disks that no VM has. Part of the host's wire. */
import { domain } from './names.ts'

export type {
  DiskAccess,
  DiskAccessRequest,
  DiskPermission,
  FinishUpload,
  GuestIdentity,
  StoredDiskSource,
  StoredDiskSpec,
  StoredDiskStatus,
} from './wires/host/disks.ts'

export const diskBlobHost: string = `disks.blob.${domain}`

/** ImageRecord.id of what a kept disk holds. */
export const storedImageId = (id: string): string => `disk-${id.toLowerCase()}`
