import type { ImageRecord, SecurityEncryptionType } from '@strongroom/contract'
import type { SecurityFeature } from '../gallery/security-features.ts'
import type { OsState } from '../disk/stored/stored-disk.ts'
import type { VmModel } from '../vm/vm-model.ts'

export const imageTarget = 'properties.storageProfile.imageReference'

/** What a VM takes over from the gallery version that it is made of. */
export interface GallerySource {
  versionId: string
  osState: OsState
  security: SecurityFeature
  osProfile?: VmModel['osProfile']
  /** Of the confidential VM that it was captured from: VMs of it have the same. */
  encryption?: SecurityEncryptionType
}

export interface ResolvedImage {
  image: ImageRecord
  /** What to tell where another image than the one that was named is used. */
  notice?: string
  /** Where it is a version of a gallery. */
  gallery?: GallerySource
}
