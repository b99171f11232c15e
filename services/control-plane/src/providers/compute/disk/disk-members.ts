import type { Fields } from '../../../arm/fields.ts'
import { substituteFor } from '../../../arm/substitutes.ts'
import { members, only, type Members } from '../../../types/members.ts'

const imageReference: Members = {
  id: 'fixed',
  publisher: 'fixed',
  offer: 'fixed',
  sku: 'fixed',
  version: 'fixed',
  exactVersion: 'shown',
}

/** What disks and snapshots have in common. */
const common: Members = {
  hyperVGeneration: only('V2'),
  // The reader refuses a customer's key.
  encryption: { type: only('EncryptionAtRestWithPlatformKey'), diskEncryptionSetId: 'fixed' },
  securityProfile: { securityType: 'fixed', secureVMDiskEncryptionSetId: 'fixed' },
  networkAccessPolicy: only('AllowAll'),
  publicNetworkAccess: only('Enabled'),
  dataAccessAuthMode: only('None'),
  supportsHibernation: only(false),
  encryptionSettingsCollection: { enabled: only(false) },
  supportedCapabilities: { architecture: only('x64') },
  diskSizeBytes: 'shown',
  diskState: 'shown',
  timeCreated: 'shown',
  uniqueId: 'shown',
}

export const diskMembers: Members = members(
  { sku: { name: 'fixed', tier: 'shown' }, managedBy: 'shown', managedByExtended: 'shown' },
  {
    ...common,
    osType: 'fixed',
    creationData: {
      createOption: 'fixed',
      imageReference,
      galleryImageReference: imageReference,
      sourceResourceId: 'fixed',
      sourceUri: 'fixed',
      securityDataUri: 'fixed',
      // Of the blob that sourceUri names: az sends it with every one.
      storageAccountId: 'fixed',
      uploadSizeBytes: 'fixed',
      sourceUniqueId: 'shown',
      logicalSectorSize: only(512),
      performancePlus: only(false),
    },
    diskSizeGB: 'honoured',
    maxShares: only(1),
    burstingEnabled: only(false),
    optimizedForFrequentAttach: only(false),
    propertyUpdatesInProgress: 'shown',
    lastOwnershipUpdateTime: 'shown',
    shareInfo: 'shown',
    burstingEnabledTime: 'shown',
  },
)

export const snapshotMembers: Members = members(
  { sku: { name: 'honoured', tier: 'shown' }, managedBy: 'shown' },
  {
    ...common,
    creationData: {
      createOption: 'fixed',
      // The reader refuses another source.
      sourceResourceId: 'honoured',
      sourceUri: 'fixed',
      securityDataUri: 'fixed',
      sourceUniqueId: 'shown',
    },
    incremental: 'fixed',
    incrementalSnapshotFamilyId: 'shown',
  },
)

/** What each way to create a disk or snapshot reads of a request, besides what all of them read. */
const sources: Readonly<Record<string, readonly string[]>> = {
  empty: [],
  // Old clients name the source in sourceUri.
  copy: ['sourceResourceId', 'sourceUri'],
  fromimage: ['imageReference', 'galleryImageReference'],
  // A snapshot's source may have guest state.
  import: ['sourceUri', 'securityDataUri', 'storageAccountId'],
  importsecure: ['sourceUri', 'securityDataUri', 'storageAccountId'],
  upload: ['uploadSizeBytes'],
  uploadpreparedsecure: ['uploadSizeBytes'],
}

/** Refuses members that another createOption reads. */
export function refuseOtherSources(creation: Fields, option: string = creation.text('createOption') ?? ''): void {
  const own = sources[option.toLowerCase()]
  if (own === undefined) return
  const refuse = (name: string): void =>
    creation.unsupported(creation.at(name), `'${name}' has no effect with this createOption, so it is not accepted.`, {
      expected: own.join(', ') || 'none',
      found: name,
      remedy: `Omit ${name}, or use another createOption.`,
    })
  if (creation.has('sourceResourceId') && creation.has('sourceUri') && own.includes('sourceResourceId'))
    refuse('sourceUri')
  for (const name of new Set(Object.values(sources).flat())) if (creation.has(name) && !own.includes(name)) refuse(name)
}

/** @param of with the create option `Restore` */
export const refuseRestore = (of: Fields): void =>
  of.unsupported(of.at('createOption'), 'Disks are not made of restore points, which are not offered.', {
    expected: 'Copy',
    found: 'Restore',
    remedy: substituteFor('Microsoft.Compute/restorePointCollections')!,
  })

/** Nothing encrypts disks at rest with a customer's key. */
export function refuseCustomerKey(properties: Fields): void {
  const encryption = properties.object('encryption')
  if (!encryption.has('diskEncryptionSetId')) return
  encryption.invalid(
    encryption.at('diskEncryptionSetId'),
    'Encryption at rest with a customer’s key is not offered: encrypt data disks in the guest.',
    { expected: 'no diskEncryptionSetId', found: 'one', rule: 'S7' },
  )
}
