import type { ImageRecord, SecurityEncryptionType } from '@strongroom/contract'
import type { SecurityFeature } from './security-features.ts'
import type { OsState } from '../../disk/stored/stored-disk.ts'
import type { VmModel } from '../../vm/model/vm-model.ts'

export const imageTarget = 'properties.storageProfile.imageReference'

/** What a VM inherits from its gallery version. */
export interface GallerySource {
  versionId: string
  osState: OsState
  security: SecurityFeature
  osProfile?: VmModel['osProfile']
  /** From the captured confidential VM: VMs of the image have the same. */
  encryption?: SecurityEncryptionType
}

export interface ResolvedImage {
  image: ImageRecord
  /** Notice if another image than the named one is used. */
  notice?: string
  /** If it is a gallery version. */
  gallery?: GallerySource
}
