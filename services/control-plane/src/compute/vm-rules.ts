import type { Problem } from '../arm/fields.ts'
import { findRegion } from './regions.ts'
import { findSize, isOffered, type Size } from './sizes.ts'
import type { VmRequest } from './vm-request.ts'

export const bad = (message: string, o: Omit<Problem, 'code' | 'status' | 'message'> = {}): Problem => ({
  code: 'BadRequest',
  status: 400,
  message,
  ...o,
})

const securityPath = 'properties.securityProfile'
const encryptionPath = 'properties.storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType'

/** Everything about security type, size, encryption and firmware that fails at once, in Azure's words where known. */
export function securityProblems(r: VmRequest): Problem[] {
  const problems: Problem[] = []
  const size = r.vmSize === undefined ? undefined : findSize(r.vmSize)
  if (r.vmSize === undefined)
    problems.push({
      ...bad("Required parameter 'hardwareProfile.vmSize' is missing (null).", {
        target: 'properties.hardwareProfile.vmSize',
      }),
      code: 'InvalidParameter',
    })
  const confidential = r.securityType?.toLowerCase() === 'confidentialvm'
  if (!confidential) {
    if (r.vmSize !== undefined) {
      problems.push(
        bad(
          `The VM size '${size?.name ?? r.vmSize}' is not supported for creation of VMs and Virtual Machine Scale Set with '${r.securityType ?? '<NULL>'}' security type.`,
          {
            target: `${securityPath}.securityType`,
            expected: 'ConfidentialVM',
            found: r.securityType ?? 'null',
            remedy: 'This installation makes confidential VMs only: set securityType to ConfidentialVM.',
          },
        ),
      )
    }
    if (r.encryptionGiven)
      problems.push(
        bad("The parameter 'managedDisk.securityProfile' can only be set for Confidential VMs.", {
          target: 'properties.storageProfile.osDisk.managedDisk.securityProfile',
        }),
      )
    return problems
  }
  if (r.vmSize !== undefined) problems.push(...sizeProblems(r, r.vmSize, size))
  if (r.encryption === undefined && !r.fields.problems.some((p) => p.target === encryptionPath)) {
    problems.push(
      bad(
        'Required parameter for Confidential VMs is missing (null): managedDisk.securityProfile.securityEncryptionType.',
        { target: encryptionPath, expected: 'VMGuestStateOnly, DiskWithVMGuestState or NonPersistedTPM' },
      ),
    )
  }
  if (r.vTpm !== true) {
    problems.push(
      bad('Confidential VMs need a virtual TPM: uefiSettings.vTpmEnabled must be true.', {
        target: `${securityPath}.uefiSettings.vTpmEnabled`,
        expected: 'true',
        found: String(r.vTpm ?? 'null'),
        remedy: 'Set vTpmEnabled to true.',
      }),
    )
  }
  if (r.encryption === 'DiskWithVMGuestState' && r.secureBoot !== true) {
    problems.push(
      bad(
        "Secure Boot is required with securityEncryptionType 'DiskWithVMGuestState': the disk is sealed to what Secure Boot measures.",
        {
          target: `${securityPath}.uefiSettings.secureBootEnabled`,
          expected: 'true',
          found: String(r.secureBoot ?? 'null'),
          remedy: 'Set secureBootEnabled to true, or use VMGuestStateOnly.',
        },
      ),
    )
  }
  if (r.encryption === 'NonPersistedTPM' && size !== undefined && size.tee !== 'TDX') {
    problems.push(
      bad(
        `The VM size '${size.name}' is not supported for creation of VMs and Virtual Machine Scale Set with 'ConfidentialVM' security type and managedDisk.securityProfile.securityEncryptionType set as 'NonPersistedTPM'`,
        {
          target: encryptionPath,
          expected: 'a size with Intel TDX',
          found: size.name,
          remedy: 'Use a TDX size, for example Standard_DC2es_v5.',
        },
      ),
    )
  }
  return problems
}

function sizeProblems(r: VmRequest, name: string, size: Size | undefined): Problem[] {
  const target = 'properties.hardwareProfile.vmSize'
  const region = findRegion(r.location)
  if (size === undefined) {
    return [
      bad(
        `The VM size '${name.slice(0, 60)}' is not supported for creation of VMs and Virtual Machine Scale Set with 'ConfidentialVM' security type and managedDisk.securityProfile.securityEncryptionType set as '${r.encryption ?? '<NULL>'}'`,
        {
          target,
          expected: 'a confidential size',
          found: name.slice(0, 60),
          remedy: `List sizes with GET /subscriptions/{subscription}/providers/Microsoft.Compute/locations/${r.location}/vmSizes.`,
        },
      ),
    ]
  }
  if (region !== undefined && region.series.length === 0)
    return [
      bad(
        'Creation of VMs and Virtual Machine Scale Sets with ConfidentialVM security type is not supported in this region.',
        { target: 'location', found: r.location },
      ),
    ]
  if (isOffered(size, r.location)) return []
  return [
    {
      code: 'SkuNotAvailable',
      status: 409,
      message: `The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: ${size.name}' is currently not available in location '${r.location}'. Please try another size or deploy to a different location or different zone. See https://aka.ms/azureskunotavailable for details.`,
      target,
      expected: `a size of the series ${region?.series.join(', ') ?? ''}`,
      found: size.name,
      remedy: 'Use a size that this region offers.',
    },
  ]
}
