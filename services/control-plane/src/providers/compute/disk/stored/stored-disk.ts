import type { GuestIdentity, StoredDiskSource, SecurityEncryptionType, Tee } from '@strongroom/contract'
import type { Resource } from '../../../../store/resources.ts'
import type { VmModel } from '../../vm/model/vm-model.ts'

/** Type of the disk-encryption sets that disks may refer to. */
export const setType = 'Microsoft.Compute/diskEncryptionSets'
export const snapshotType = 'Microsoft.Compute/snapshots'
export const managedImageType = 'Microsoft.Compute/images'
export const galleryType = 'Microsoft.Compute/galleries'
export const definitionType: string = `${galleryType}/images`
export const versionType: string = `${definitionType}/versions`

export type OsState = 'Generalized' | 'Specialized'

/** The resource manager's record of a disk stored at the host: behind snapshots, disks, images and gallery versions. */
export interface StoredDisk {
  /** Upper-case GUID on the host. */
  id: string
  source: StoredDiskSource
  sizeGiB: number
  /** Absent for data disks. */
  osType?: 'Linux'
  osState?: OsState
  /** Account and keys of a specialised disk's VM: VMs created from it keep them. */
  osProfile?: VmModel['osProfile']
  /** The disk has guest state, which opens for this disk only, under its own key. */
  guest?: { encryption: SecurityEncryptionType; tee: Tee; secureBoot: boolean; attestationProvider: string }
  guestOfSource?: GuestIdentity
  /** From a VM with NonPersistedTPM, which has no guest state: images of it are for such VMs. */
  stateless?: boolean
  /** From a TrustedLaunch VM: images of it are for TrustedLaunch VMs. */
  trustedLaunch?: boolean
  /** Key identifier with version, once the key exists. */
  keyId?: string
  /** For an empty disk, and one created with its VM: the host has created it. */
  made?: boolean
}

export interface StoredDiskInternal {
  kept?: StoredDisk
  /** ARM id of the VM that the disk is attached to; empty if none. */
  managedBy: string
}

export type StoredDiskResource = Resource<StoredDiskInternal>

/** An empty disk is created at the host when first attached, and has no content before. */
export const hasContent = (kept: StoredDisk | undefined): kept is StoredDisk =>
  kept !== undefined && (kept.source.from !== 'empty' || kept.made === true)

/** The encryption type of the disk's confidential VM, and of VMs created from it. */
export const encryptionOf = (kept: StoredDisk): SecurityEncryptionType | undefined =>
  kept.guest?.encryption ?? (kept.stateless === true ? 'NonPersistedTPM' : undefined)

/** As sent to the host. */
export function guestIdentity(kept: StoredDisk): GuestIdentity | undefined {
  if (kept.guest === undefined || kept.keyId === undefined) return undefined
  return { ...kept.guest, vmId: kept.id, guestStateKey: kept.keyId }
}

/** `securityType` of disks, by encryption type. */
export const diskSecurityTypes: Record<SecurityEncryptionType, string> = {
  VMGuestStateOnly: 'ConfidentialVM_VMGuestStateOnlyEncryptedWithPlatformKey',
  DiskWithVMGuestState: 'ConfidentialVM_DiskEncryptedWithPlatformKey',
  NonPersistedTPM: 'ConfidentialVM_NonPersistedTPM',
}

/** `confidentialVMEncryptionType` of gallery versions, by encryption type. */
export const versionEncryptionTypes: Record<SecurityEncryptionType, string> = {
  VMGuestStateOnly: 'EncryptedVMGuestStateOnlyWithPmk',
  DiskWithVMGuestState: 'EncryptedWithPmk',
  NonPersistedTPM: 'NonPersistedTPM',
}
