import { members, only, type Members } from '../../../types/members.ts'

export const galleryMembers: Members = members(
  { location: 'honoured', identity: { type: only('None') } },
  {
    description: 'honoured',
    // The reader refuses all but private ones.
    sharingProfile: { permissions: 'honoured', communityGalleryInfo: 'honoured' },
    softDeletePolicy: { isSoftDeleteEnabled: only(false) },
    sharingStatus: 'shown',
  },
)

export const definitionMembers: Members = members(
  { location: 'honoured' },
  {
    osType: 'honoured',
    osState: 'honoured',
    hyperVGeneration: 'honoured',
    identifier: { publisher: 'honoured', offer: 'honoured', sku: 'honoured' },
    features: { name: 'honoured', value: 'honoured' },
    architecture: 'honoured',
    endOfLifeDate: 'honoured',
    description: 'kept',
    eula: 'kept',
    privacyStatementUri: 'kept',
    releaseNoteUri: 'kept',
    recommended: 'kept',
    disallowed: 'kept',
    purchasePlan: 'kept',
  },
)

const targetRegions: Members = {
  name: 'honoured',
  regionalReplicaCount: 'honoured',
  storageAccountType: 'honoured',
  excludeFromLatest: 'honoured',
  encryption: {
    osDiskImage: {
      securityProfile: { confidentialVMEncryptionType: 'honoured', secureVMDiskEncryptionSetId: 'honoured' },
    },
  },
}

export const versionMembers: Members = members(
  {},
  {
    publishingProfile: {
      targetRegions,
      replicaCount: 'honoured',
      excludeFromLatest: 'honoured',
      endOfLifeDate: 'honoured',
      storageAccountType: 'honoured',
      replicationMode: 'honoured',
      publishedDate: 'shown',
    },
    storageProfile: {
      // The reader refuses another source.
      source: { id: 'honoured', virtualMachineId: 'honoured', communityGalleryImageId: 'fixed', uri: 'shown' },
      osDiskImage: {
        source: { id: 'fixed', uri: 'fixed', communityGalleryImageId: 'fixed', virtualMachineId: 'shown' },
        hostCaching: only('ReadWrite'),
        sizeInGB: 'shown',
      },
      dataDiskImages: 'fixed',
    },
    safetyProfile: {
      allowDeletionOfReplicatedLocations: 'fixed',
      blockDeletionBeforeEndOfLife: only(false),
      reportedForPolicyViolation: 'shown',
      policyViolations: 'shown',
    },
    restore: only(false),
    replicationStatus: 'shown',
  },
)
