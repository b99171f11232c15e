import type { GuestIdentity, StoredDiskSource, SecurityEncryptionType, Tee } from '@strongroom/contract'
import type { Resource } from '../../../../store/resources.ts'
import type { VmModel } from '../../vm/vm-model.ts'

/** Of the disk-encryption sets that disks may refer to. */
export const setType = 'Microsoft.Compute/diskEncryptionSets'
export const snapshotType = 'Microsoft.Compute/snapshots'
export const managedImageType = 'Microsoft.Compute/images'
export const diskRestorePointType = 'Microsoft.Compute/restorePointCollections/restorePoints/diskRestorePoints'
export const galleryType = 'Microsoft.Compute/galleries'
export const definitionType: string = `${galleryType}/images`
export const versionType: string = `${definitionType}/versions`

export type OsState = 'Generalized' | 'Specialized'

/** What the resource manager knows of a disk that the host keeps: behind snapshots, disks, images and gallery versions. */
export interface StoredDisk {
  /** Upper-case GUID on the host. */
  id: string
  source: StoredDiskSource
  sizeGiB: number
  /** Absent for data disks. */
  osType?: 'Linux'
  osState?: OsState
  /** Account and keys of the VM that a specialised disk comes from: VMs made of it keep them. */
  osProfile?: VmModel['osProfile']
  /** The disk comes with guest state, which opens for this disk alone under a key of its own. */
  guest?: { encryption: SecurityEncryptionType; tee: Tee; secureBoot: boolean; attestationProvider: string }
  guestOfSource?: GuestIdentity
  /** Of a VM with NonPersistedTPM, which has no guest state: images of it are for such VMs. */
  stateless?: boolean
  /** Of a TrustedLaunch VM: images of it are for TrustedLaunch VMs. */
  trustedLaunch?: boolean
  /** Key identifier with version, once the key exists. */
  keyId?: string
  /** Of an empty disk, and of one that was made with its VM: the host has made it. */
  made?: boolean
}

export interface StoredDiskInternal {
  kept?: StoredDisk
  /** ARM id of the VM that has the disk; empty where none has. */
  managedBy: string
}

export type StoredDiskResource = Resource<StoredDiskInternal>

/** An empty disk is made at the host when it is attached first, and holds nothing before. */
export const hasContent = (kept: StoredDisk | undefined): kept is StoredDisk =>
  kept !== undefined && (kept.source.from !== 'empty' || kept.made === true)

/** The encryption type of the confidential VM that a disk comes from, and of those that are made of it. */
export const encryptionOf = (kept: StoredDisk): SecurityEncryptionType | undefined =>
  kept.guest?.encryption ?? (kept.stateless === true ? 'NonPersistedTPM' : undefined)

/** As the host is told it. */
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
