import type { Fields } from '../../../arm/fields.ts'
import { encryptionOf, versionEncryptionTypes, managedImageType, type StoredDisk } from '../disk/stored/stored-disk.ts'
import { regions } from '../../../arm/regions.ts'
import { diskType, vmType } from '../vm/model/vm-model.ts'
import type { CopySource } from '../disk/stored/source.ts'
import type { Definition } from './definitions.ts'
import type { TargetRegion } from './publishing.ts'

const sourceTarget = 'properties.storageProfile.source.id'

/** Azure's rules for a version's source (create-confidential-vm-from-compute-gallery): all failures at once. */
export function sourceProblems(
  fields: Fields,
  o: { definition: Definition; source: CopySource | undefined; kept: StoredDisk; sourceId: string },
): void {
  const { definition, source, kept, sourceId } = o
  const conflict = (message: string, expected: string, found: string, remedy: string): void =>
    fields.problem({
      code: 'Conflict',
      message,
      target: sourceTarget,
      expected,
      found,
      remedy,
      rule: 'S13',
    })
  if (kept.osType === undefined)
    fields.invalid(sourceTarget, `The source '${sourceId}' does not contain an operating system.`, {
      expected: 'an OS disk',
      found: 'a data disk',
      rule: 'S12',
    })
  const confidential = definition.security === 'ConfidentialVM'
  const trusted = kept.trustedLaunch === true && definition.security !== 'TrustedLaunch'
  const fromConfidential = encryptionOf(kept) !== undefined
  if ((fromConfidential && !confidential) || trusted)
    conflict(
      `The source '${sourceId}' contains TrustedLaunch or ConfidentialVM security data that cannot be used in ` +
        `image with '${definition.security}' security type. Please use either TrustedLaunch or ConfidentialVM ` +
        'security type.',
      `an image definition with the feature SecurityType=${trusted ? 'TrustedLaunch' : 'ConfidentialVM'}`,
      definition.security,
      `Create a definition with --features SecurityType=${trusted ? 'TrustedLaunch' : 'ConfidentialVM'} --hyper-v-generation V2.`,
    )
  if (!fromConfidential && confidential && !trusted) withoutGuestState(fields, sourceId, source)
  if (source?.type !== vmType.toLowerCase()) return
  if (definition.osState === 'Generalized' && source.osState !== 'Generalized')
    fields.problem({
      code: 'OperationNotAllowed',
      status: 409,
      message:
        `The source virtual machine '${sourceId}' is not generalized: it cannot be the source of an image ` +
        'definition whose osState is Generalized.',
      target: sourceTarget,
      expected: 'a generalized VM',
      found: 'a specialized VM',
      remedy:
        'Deprovision the guest (waagent -deprovision, or cloud-init clean), deallocate the VM, then az vm generalize.',
    })
  if (definition.osState === 'Specialized' && source.osState === 'Generalized')
    fields.problem({
      code: 'OperationNotAllowed',
      status: 409,
      message:
        `The source virtual machine '${sourceId}' is generalized: it cannot be the source of an image definition ` +
        'whose osState is Specialized.',
      target: sourceTarget,
      expected: 'a VM that is not generalized',
      found: 'a generalized VM',
      remedy: 'Use an image definition whose osState is Generalized.',
    })
}

function withoutGuestState(fields: Fields, sourceId: string, source: CopySource | undefined): void {
  const kinds = [vmType, diskType].map((type) => type.toLowerCase())
  const wrongKind = source === undefined || source.type === managedImageType.toLowerCase()
  fields.problem({
    code: wrongKind ? 'InvalidParameter' : 'Conflict',
    message: wrongKind
      ? `Confidential VM is not supported for the source id '${sourceId}'. Currently Snapshot, Disk and VM sources ` +
        'are supported for the Confidential VM security type.'
      : `The source '${sourceId}' contains no ConfidentialVM security data: it cannot be used in image with ` +
        "'ConfidentialVM' security type.",
    target: wrongKind ? 'galleryImageVersion.properties.storageProfile.osDiskImage.source.id' : sourceTarget,
    expected: 'a confidential VM, its OS disk, or a snapshot of it',
    found: source === undefined || kinds.includes(source.type) ? 'a disk without guest state' : source.type,
    remedy: 'Use an image definition with the feature SecurityType=ConfidentialVmSupported.',
    rule: 'S12',
  })
}

/** Encryption and regions of a version with guest state. */
export function regionProblems(fields: Fields, o: { regions: TargetRegion[]; home: string; kept: StoredDisk }): void {
  const target = 'properties.publishingProfile.targetRegions'
  const encryption = encryptionOf(o.kept)
  if (!o.regions.some(({ key }) => key === o.home))
    fields.invalid(target, `The publishing profile's target regions must contain the source region '${o.home}'.`, {
      expected: o.home,
      found: o.regions.map(({ name }) => name).join(', '),
    })
  const has = encryption === undefined ? undefined : versionEncryptionTypes[encryption]
  for (const region of o.regions) {
    const given = region.encryption
    if (given === undefined || given.toLowerCase() === has?.toLowerCase()) continue
    fields.problem({
      code: has === undefined ? 'InvalidParameter' : 'Conflict',
      message:
        has === undefined
          ? 'confidentialVMEncryptionType is for image versions of definitions with the feature SecurityType=ConfidentialVM.'
          : `The SecurityProfile type of this image version '${given}' must match the SecurityProfile type of the source '${has}'.`,
      target: `${target}.encryption.osDiskImage.securityProfile.confidentialVMEncryptionType`,
      expected: has ?? 'none',
      found: given,
      remedy: has === undefined ? 'Leave it out.' : `Use ${has}, or leave it out.`,
      rule: has === undefined ? 'S12' : 'S16',
    })
  }
  if (o.regions.some(({ encryptionSet }) => encryptionSet !== undefined))
    fields.unsupported(
      `${target}.encryption.osDiskImage.securityProfile.secureVMDiskEncryptionSetId`,
      'Image versions under a customer’s key are not offered: the copy has its own platform key.',
      { remedy: 'Leave the disk-encryption set out.' },
    )
  const away = o.regions.filter(({ key }) => key !== o.home)
  if (o.kept.guest !== undefined && away.length > 0)
    fields.invalid(
      'galleryImageVersion.properties.publishingProfile.targetRegions',
      `Only the home region '${o.home}' can be specified as a target region for Images with the ConfidentialVM ` +
        "feature unless the Confidential VM encryption type is set to 'NonPersistedTPM'.",
      {
        expected: o.home,
        found: away.map(({ name }) => name).join(', '),
        remedy: 'Leave the other regions out.',
        rule: 'S13',
      },
    )
  for (const { name } of o.regions.filter(({ known }) => !known))
    fields.invalid(target, `The region '${name.slice(0, 60)}' is not a region of this installation.`, {
      expected: regions.map((region) => region.name).join(', '),
      found: name.slice(0, 60),
      rule: 'S24',
    })
}
