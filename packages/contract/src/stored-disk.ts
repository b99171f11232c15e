/** Disks that a host stores besides VMs' own: snapshots, images, and unattached disks. Part of the host's wire. */
import { domain } from './names/names.ts'

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

/** ImageRecord.id of a stored disk's image. */
export const storedImageId = (id: string): string => `disk-${id.toLowerCase()}`
