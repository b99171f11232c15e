import type { ImageRecord, SecurityEncryptionType, SecurityType } from '@strongroom/contract'
import { invalid } from '../../../arm/refusals.ts'
import type { Problem, SettledProblem } from '../../../arm/fields.ts'
import type { Region } from '../../../arm/regions.ts'
import { nearestSize } from '../size/nearest-size.ts'
import type { Size } from '../size/sizes.ts'

/** The parts of a VM request that decide whether its security profile is valid. */
export interface Combination {
  /** As given; absent means Standard, as in Azure. */
  securityType: SecurityType | undefined
  /** The given text if it is not a security type. */
  unknownType?: string
  encryption: SecurityEncryptionType | undefined
  /** Whether managedDisk.securityProfile was sent. */
  diskProfile: boolean
  secureBoot: boolean | undefined
  vTpm: boolean | undefined
  /** The disk-encryption set that managedDisk.securityProfile names. */
  diskEncryptionSet: string | undefined
  /** The name that was given, and the size of that name. */
  sizeName: string
  size: Size | undefined
  location: string
  region: Region | undefined
  /** Absent if none was found, which is refused elsewhere. */
  image: ImageRecord | undefined
}

interface Row {
  applies(c: Combination): boolean
  answer(c: Combination): Problem
}

const paths = {
  type: 'properties.securityProfile.securityType',
  uefi: 'properties.securityProfile.uefiSettings',
  vTpm: 'properties.securityProfile.uefiSettings.vTpmEnabled',
  secureBoot: 'properties.securityProfile.uefiSettings.secureBootEnabled',
  size: 'properties.hardwareProfile.vmSize',
  disk: 'properties.storageProfile.osDisk.managedDisk.securityProfile',
  encryption: 'properties.storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType',
  image: 'properties.storageProfile.imageReference',
} as const

export const bad = (message: string, o: Omit<SettledProblem, 'code' | 'message'> = {}): SettledProblem => ({
  code: 'BadRequest',
  message,
  ...o,
})

const confidential = (c: Combination): boolean => c.securityType === 'ConfidentialVM'
const shortName = (c: Combination): string => c.size?.name ?? c.sizeName.slice(0, 60)
const said = (value: boolean | undefined): string => String(value ?? 'null')
const because = (image: ImageRecord | undefined): string => image?.qualifies.reasons.join(' ') ?? ''

/** For a nonexistent size: the one that was probably meant. */
function meant(c: Combination): string {
  const near = c.size === undefined ? nearestSize(c.sizeName) : undefined
  return near === undefined ? '' : `. Did you mean '${near}'?`
}

/** In Azure's words: a size that cannot run the VM with this encryption. */
const withEncryption = (c: Combination): string =>
  `The VM size '${shortName(c)}' is not supported for creation of VMs and Virtual Machine Scale Set with ` +
  "'ConfidentialVM' security type and managedDisk.securityProfile.securityEncryptionType set as " +
  `'${c.encryption ?? '<NULL>'}'`

/** The only table of combinations: each row is an invalid one, with Azure's answer if known. What no row refuses is created. */
const rows: Row[] = [
  {
    applies: (c) => c.unknownType !== undefined,
    answer: (c) =>
      bad(
        `Error converting value "${c.unknownType?.slice(0, 80)}" to type 'System.Nullable\`1[SecurityTypes]'. Path '${paths.type}'.`,
        {
          target: paths.type,
          expected: 'Standard, TrustedLaunch or ConfidentialVM',
          found: c.unknownType?.slice(0, 80) ?? '',
          remedy: 'Use one of the expected values.',
        },
      ),
  },
  {
    applies: (c) => c.size === undefined && !confidential(c),
    answer: (c) =>
      invalid(paths.size, `The value ${shortName(c)} provided for the VM size is not valid${meant(c) || '.'}`, {
        expected: 'a size of this installation',
        found: shortName(c),
        remedy: `List sizes with GET /subscriptions/{subscription}/providers/Microsoft.Compute/locations/${c.location}/vmSizes.`,
        rule: 'S20',
      }),
  },
  {
    applies: (c) => c.size?.tee !== undefined && !confidential(c) && c.unknownType === undefined,
    answer: (c) =>
      bad(
        `The VM size '${shortName(c)}' is not supported for creation of VMs and Virtual Machine Scale Set with ` +
          `'${c.securityType ?? '<NULL>'}' security type.`,
        {
          target: paths.type,
          expected: 'ConfidentialVM',
          found: c.securityType ?? 'null',
          remedy: 'Set securityType to ConfidentialVM, or use a non-confidential size, for example Standard_D2as_v5.',
        },
      ),
  },
  {
    applies: (c) => confidential(c) && c.size?.tee === undefined,
    answer: (c) =>
      bad(withEncryption(c) + meant(c), {
        target: paths.size,
        expected: 'a confidential size',
        found: shortName(c),
        remedy:
          'Use a confidential size, for example Standard_DC2as_v5; GET ' +
          '/subscriptions/{subscription}/providers/Microsoft.Compute/skus lists all.',
        rule: 'S20',
      }),
  },
  {
    applies: (c) => confidential(c) && c.size?.tee !== undefined && c.region?.series.length === 0,
    answer: (c) =>
      bad(
        'Creation of VMs and Virtual Machine Scale Sets with ConfidentialVM security type is not supported in this region.',
        {
          target: 'location',
          expected: 'a region that has confidential VMs',
          found: c.location,
          remedy: 'Use another region; Microsoft.Compute/skus shows where a size is available.',
          rule: 'S24',
        },
      ),
  },
  {
    applies: (c) =>
      confidential(c) &&
      c.size?.tee !== undefined &&
      c.region !== undefined &&
      c.region.series.length > 0 &&
      !c.region.series.includes(c.size.series),
    answer: (c) => ({
      code: 'SkuNotAvailable',
      message:
        `The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: ${shortName(c)}' ` +
        `is currently not available in location '${c.location}'. Please try another size or deploy to a different ` +
        'location or different zone. See https://aka.ms/azureskunotavailable for details.',
      target: paths.size,
      expected: `a size of the series ${c.region?.series.join(', ') ?? ''}`,
      found: shortName(c),
      remedy: 'Use a size that this region offers.',
      rule: 'S24',
    }),
  },
  {
    applies: (c) => !confidential(c) && c.diskProfile,
    answer: (c) =>
      bad("The parameter 'managedDisk.securityProfile' can only be set for Confidential VMs.", {
        target: paths.disk,
        expected: 'no managedDisk.securityProfile',
        found: `securityType ${c.securityType ?? 'null'}`,
        remedy: 'Omit it, or create a confidential VM.',
        rule: 'S18',
      }),
  },
  {
    applies: (c) =>
      (c.securityType ?? 'Standard') === 'Standard' &&
      c.unknownType === undefined &&
      c.size?.tee === undefined &&
      (c.secureBoot === true || c.vTpm === true),
    answer: (c) =>
      bad("The parameter 'securityProfile.uefiSettings' can only be set for Trusted Launch and Confidential VMs.", {
        target: paths.uefi,
        expected: 'no uefiSettings',
        found: `secureBootEnabled ${said(c.secureBoot)}, vTpmEnabled ${said(c.vTpm)}`,
        remedy: 'Set securityType to TrustedLaunch, or leave uefiSettings out.',
      }),
  },
  {
    applies: (c) => confidential(c) && c.encryption === undefined,
    answer: () =>
      bad(
        'Required parameter for Confidential VMs is missing (null): managedDisk.securityProfile.securityEncryptionType.',
        {
          target: paths.encryption,
          expected: 'VMGuestStateOnly, DiskWithVMGuestState or NonPersistedTPM',
          found: 'null',
          remedy: 'Specify how the OS disk is encrypted.',
        },
      ),
  },
  {
    applies: (c) => confidential(c) && c.vTpm !== true,
    answer: (c) =>
      bad('Confidential VMs need a virtual TPM: uefiSettings.vTpmEnabled must be true.', {
        target: paths.vTpm,
        expected: 'true',
        found: said(c.vTpm),
        remedy: 'Set vTpmEnabled to true.',
        rule: 'S2',
      }),
  },
  {
    applies: (c) => confidential(c) && c.encryption === 'DiskWithVMGuestState' && c.secureBoot !== true,
    answer: (c) =>
      bad(
        "Secure Boot is required with securityEncryptionType 'DiskWithVMGuestState': the disk is sealed to what Secure Boot measures.",
        {
          target: paths.secureBoot,
          expected: 'true',
          found: said(c.secureBoot),
          remedy: 'Set secureBootEnabled to true, or use VMGuestStateOnly.',
        },
      ),
  },
  {
    applies: (c) => confidential(c) && c.encryption === 'NonPersistedTPM' && c.size?.tee === 'SNP',
    answer: (c) =>
      bad(withEncryption(c), {
        target: paths.encryption,
        expected: 'a size with Intel TDX',
        found: shortName(c),
        remedy: 'Use a TDX size, for example Standard_DC2es_v5.',
        rule: 'S17',
      }),
  },
  {
    applies: (c) => confidential(c) && c.diskEncryptionSet !== undefined && c.encryption !== 'DiskWithVMGuestState',
    answer: (c) =>
      invalid(
        `${paths.disk}.diskEncryptionSet`,
        "A disk encryption set can be used only with securityEncryptionType 'DiskWithVMGuestState'; " +
          `'${c.encryption ?? 'null'}' has a platform-managed key.`,
        {
          expected: 'DiskWithVMGuestState',
          found: c.diskEncryptionSet?.slice(0, 300) ?? '',
          remedy: 'Use DiskWithVMGuestState, or leave diskEncryptionSet out.',
          rule: 'S14',
        },
      ),
  },
  {
    applies: (c) => confidential(c) && c.image?.qualifies.confidential === false,
    answer: (c) =>
      bad(
        `The image '${c.image?.name}' does not support creation of VMs with 'ConfidentialVM' security type. ${because(c.image)}`,
        {
          target: paths.image,
          expected: 'an image that qualifies for confidential VMs',
          found: c.image?.name ?? '',
          remedy: 'Use an image that qualifies; `strongroom image list` shows which.',
          rule: 'S12',
        },
      ),
  },
  {
    applies: (c) =>
      confidential(c) &&
      c.encryption === 'DiskWithVMGuestState' &&
      c.image?.qualifies.confidential === true &&
      !c.image.qualifies.diskEncryption,
    answer: (c) =>
      bad(
        `The image '${c.image?.name}' does not support securityEncryptionType 'DiskWithVMGuestState'. ${because(c.image)}`,
        {
          target: paths.image,
          expected: 'an image whose root can be encrypted',
          found: c.image?.name ?? '',
          remedy: 'Use VMGuestStateOnly, or an image that supports disk encryption.',
          rule: 'S12',
        },
      ),
  },
]

/** Every reason why the combination is invalid; empty if it is valid. */
export const answerOf = (c: Combination): Problem[] => rows.filter((row) => row.applies(c)).map((row) => row.answer(c))
