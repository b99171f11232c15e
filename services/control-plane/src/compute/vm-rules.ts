import type { ImageRecord } from '@strongroom/contract'
import type { Problem } from '../arm/fields.ts'
import type { Resource } from '../store/resources.ts'
import { hasAcceleratedNetworking, interfaceType, vmOf } from '../network/interfaces.ts'
import { keyOf } from '../arm/resource-id.ts'
import { referenceProblem } from '../network/provider.ts'
import { findRegion } from './regions.ts'
import { findSize, isOffered, type Size } from './sizes.ts'
import type { VmRequest } from './vm-request.ts'

const bad = (message: string, o: Omit<Problem, 'code' | 'status' | 'message'> = {}): Problem => ({
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

const reservedNames = new Set(
  'administrator admin user user1 test user2 test1 user3 admin1 1 123 a actuser adm admin2 aspnet backup console david guest john owner root server sql support support_388945a0 sys test2 test3 user4 user5 daemon bin nobody sshd sync games man lp mail news uucp proxy www-data list irc'.split(
    ' ',
  ),
)

/** Everything about disk, guest account, network and what we do not offer. */
export function guestProblems(
  r: VmRequest,
  o: { image: ImageRecord | undefined; nics: (Resource | undefined)[]; vmId: string },
): Problem[] {
  const problems: Problem[] = r.unsupported.map((u) => ({
    code: 'NotSupported',
    status: 400,
    message: u.reason,
    target: u.path,
    remedy: u.remedy,
  }))
  if (r.adminPassword) {
    problems.push({
      code: 'PasswordNotSupported',
      status: 400,
      message: 'Guests are entered by SSH key only; a password would have to pass through the host.',
      target: 'properties.osProfile.adminPassword',
      expected: 'linuxConfiguration.ssh.publicKeys',
      remedy: 'Leave adminPassword out and give an SSH public key.',
    })
  }
  if (r.osDisk.deleteOption === 'Detach') {
    problems.push({
      code: 'NotSupported',
      status: 400,
      message: 'A confidential OS disk cannot outlive its VM: the key that opens it is destroyed with the VM.',
      target: 'properties.storageProfile.osDisk.deleteOption',
      expected: 'Delete',
      found: 'Detach',
      remedy: 'Use Delete, or leave deleteOption out.',
    })
  }
  const zones = findRegion(r.location)?.zones ?? []
  if (r.zones.length > 1 || r.zones.some((zone) => !zones.includes(zone))) {
    problems.push({
      code: 'InvalidAvailabilityZone',
      status: 400,
      message: `The zone(s) '${r.zones.join(',').slice(0, 40)}' for resource is not supported. The supported zones for location '${r.location}' are '${zones.join(',')}'`,
      target: 'zones',
      expected: `one of ${zones.join(', ')}`,
      found: r.zones.join(',').slice(0, 40),
    })
  }
  return [...problems, ...accountProblems(r), ...imageProblems(r, o.image), ...networkProblems(r, o.nics, o.vmId)]
}

function accountProblems(r: VmRequest): Problem[] {
  const problems: Problem[] = []
  const { computerName, adminUsername, sshKeys } = r.osProfile
  const invalid = (member: string, message: string, expected: string, found?: string): void =>
    void problems.push({
      code: 'InvalidParameter',
      status: 400,
      message,
      target: `properties.osProfile.${member}`,
      expected,
      ...(found !== undefined && { found: found.slice(0, 64) }),
    })
  if (computerName === undefined || !/^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(computerName)) {
    invalid(
      'computerName',
      'Linux host name must be 1 to 63 letters, digits and hyphens, and not begin or end with a hyphen.',
      'a host name',
      computerName,
    )
  }
  if (adminUsername === undefined || !/^[a-z_][a-z0-9_-]{0,31}$/.test(adminUsername)) {
    invalid(
      'adminUsername',
      'The Admin Username must begin with a lower-case letter or underscore and have at most 32 lower-case letters, digits, hyphens and underscores.',
      'for example azureuser',
      adminUsername,
    )
  } else if (reservedNames.has(adminUsername)) {
    invalid('adminUsername', 'The Admin Username specified is not allowed.', 'another name', adminUsername)
  }
  if (sshKeys.length === 0)
    invalid(
      'linuxConfiguration.ssh.publicKeys',
      'Authentication using SSH requires at least one public key.',
      'an OpenSSH public key',
    )
  for (const [index, key] of sshKeys.entries()) {
    if (!isSshPublicKey(key.keyData)) {
      invalid(
        `linuxConfiguration.ssh.publicKeys[${index}].keyData`,
        'The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.',
        'one line of an OpenSSH public key file: ssh-ed25519, ssh-rsa or ecdsa-sha2-…',
        key.keyData.split(' ')[0],
      )
    }
    if (adminUsername !== undefined && key.path !== '' && key.path !== `/home/${adminUsername}/.ssh/authorized_keys`) {
      invalid(
        `linuxConfiguration.ssh.publicKeys[${index}].path`,
        `Destination path for SSH public keys is currently limited to its default value /home/${adminUsername}/.ssh/authorized_keys.`,
        `/home/${adminUsername}/.ssh/authorized_keys`,
        key.path,
      )
    }
  }
  return problems
}

/** One line, a known type, and a blob that names the same type: nothing else can reach authorized_keys. */
export function isSshPublicKey(text: string): boolean {
  // oxlint-disable-next-line no-control-regex -- they are what is refused
  if (/[\u0000-\u001f\u007f]/.test(text) || text.length > 16_384) return false
  const match =
    /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com) ([A-Za-z0-9+/]+={0,2})( .*)?$/.exec(
      text,
    )
  if (match === null) return false
  const blob = Buffer.from(match[2]!, 'base64')
  if (blob.length < 4) return false
  const length = blob.readUInt32BE(0)
  return blob.length > 4 + length && blob.subarray(4, 4 + length).toString('latin1') === match[1]
}

function imageProblems(r: VmRequest, image: ImageRecord | undefined): Problem[] {
  const target = 'properties.storageProfile.imageReference'
  if (r.image === undefined)
    return [
      bad("Required parameter 'imageReference' is missing (null).", {
        target,
        expected: 'publisher, offer, sku and version, or id',
      }),
    ]
  if (image === undefined) return []
  const problems: Problem[] = []
  const because = image.qualifies.reasons.join(' ')
  if (!image.qualifies.confidential) {
    problems.push(
      bad(
        `The image '${image.name}' does not support creation of VMs with 'ConfidentialVM' security type. ${because}`,
        { target, found: image.name, remedy: 'Use an image that qualifies; `strongroom image list` shows which.' },
      ),
    )
  } else if (r.encryption === 'DiskWithVMGuestState' && !image.qualifies.diskEncryption) {
    problems.push(
      bad(`The image '${image.name}' does not support securityEncryptionType 'DiskWithVMGuestState'. ${because}`, {
        target,
        found: image.name,
        remedy: 'Use VMGuestStateOnly, or an image that supports disk encryption.',
      }),
    )
  }
  const least = Math.ceil(image.sizeBytes / 2 ** 30)
  if (r.osDisk.sizeGiB !== undefined && r.osDisk.sizeGiB < least) {
    problems.push({
      code: 'OperationNotAllowed',
      status: 400,
      message: `The specified disk size ${r.osDisk.sizeGiB} GB is smaller than the size of the corresponding disk in the VM image: ${least} GB. This is not allowed. Please choose equal or greater size or do not specify an explicit size.`,
      target: 'properties.storageProfile.osDisk.diskSizeGB',
      expected: `at least ${least}`,
      found: String(r.osDisk.sizeGiB),
    })
  }
  return problems
}

function networkProblems(r: VmRequest, nics: (Resource | undefined)[], vmId: string): Problem[] {
  const target = 'properties.networkProfile.networkInterfaces'
  if (r.nics.length !== 1) {
    return [
      {
        code: 'InvalidParameter',
        status: 400,
        message: 'A VM of this installation has exactly one network interface.',
        target,
        expected: '1',
        found: String(r.nics.length),
        remedy: 'Name one network interface.',
      },
    ]
  }
  const nic = nics[0]
  const id = r.nics[0]?.id ?? ''
  if (nic === undefined || nic.type !== interfaceType.toLowerCase()) return [referenceProblem(`${target}[0].id`, id)]
  const problems: Problem[] = []
  if (nic.location !== r.location) problems.push(referenceProblem(`${target}[0].id`, id))
  const other = vmOf(nic)
  if (other !== undefined && keyOf(other) !== keyOf(vmId)) {
    problems.push({
      code: 'NicInUse',
      status: 400,
      message: `Network Interface ${nic.id} is used by existing resource ${other}.`,
      target: `${target}[0].id`,
      found: other,
      remedy: 'Make another network interface.',
    })
  }
  if (hasAcceleratedNetworking(nic)) {
    problems.push({
      code: 'VMSizeIsNotPermittedToEnableAcceleratedNetworking',
      status: 400,
      message: `${vmId} has size ${r.vmSize ?? ''}, which is not compatible with enabling accelerated networking on network interface(s) on the VM. Compatible VM sizes: none, because confidential VMs have no accelerated networking.`,
      target: `${target}[0]`,
      expected: 'enableAcceleratedNetworking: false',
      found: 'true',
      remedy: 'Switch accelerated networking off on the network interface.',
    })
  }
  return problems
}
