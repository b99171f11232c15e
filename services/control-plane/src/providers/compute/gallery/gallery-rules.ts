import { invalid } from '../../../arm/refusals.ts'
import type { Problem } from '../../../arm/fields.ts'
import { imageTarget, type GallerySource } from '../image/resolved/resolved-image.ts'
import type { VmRequest } from '../vm/model/requested-vm.ts'

const confidentialKinds = ['ConfidentialVM', 'ConfidentialVmSupported', 'TrustedLaunchAndConfidentialVmSupported']

/** Whether an image with this feature suits VMs of this security type (lower case; undefined: Standard). */
function fits(feature: GallerySource['security'], type: string | undefined): boolean {
  if (type === 'confidentialvm') return confidentialKinds.includes(feature)
  if (feature === 'ConfidentialVM') return false
  return feature !== 'TrustedLaunch' || type === 'trustedlaunch'
}

/** What a gallery version requires of VMs created from it. */
export function galleryProblems(r: VmRequest, gallery: GallerySource | undefined): Problem[] {
  if (gallery === undefined) return []
  const problems: Problem[] = []
  if (!fits(gallery.security, r.securityType?.toLowerCase()))
    problems.push({
      code: 'BadRequest',
      message: `The provided gallery image only supports creation of VMs and VM Scale Sets with '${gallery.security}' security type.`,
      target: imageTarget,
      expected: gallery.security,
      found: r.securityType ?? 'null',
      remedy: 'Use a version of an image definition with another SecurityType feature, or another security type.',
      rule: 'S12',
    })
  const bound = gallery.encryption
  if (bound !== undefined && r.encryption !== undefined && r.encryption !== bound)
    problems.push({
      code: 'BadRequest',
      message:
        'The gallery image was captured from a confidential VM: VMs created from it need securityEncryptionType ' +
        `'${bound}', not '${r.encryption}'.`,
      target: 'properties.storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType',
      expected: bound,
      found: r.encryption,
      remedy: `Use --os-disk-security-encryption-type ${bound}.`,
      rule: 'S16',
    })
  if (gallery.osState === 'Specialized' && r.fields.object('properties').has('osProfile'))
    problems.push(
      invalid('osProfile', "Parameter 'osProfile' is not allowed.", {
        expected: 'no osProfile: the image is specialized',
        found: 'one',
        remedy: 'Leave it out: az vm create --specialized.',
      }),
    )
  return problems
}

/** A specialised image includes host name, account and keys; one from outside uses its VM's name and has no keys. */
export function specialise(r: VmRequest, gallery: GallerySource | undefined, vmName: string): boolean {
  if (gallery?.osState !== 'Specialized') return false
  const fallback = {
    computerName: vmName.replaceAll(/[^A-Za-z0-9-]/g, '-').slice(0, 63),
    adminUsername: 'azureuser',
    sshKeys: [],
  }
  // The account is the disk's: its original VM's settings do not apply to this one.
  const none = {
    customData: undefined,
    adminPassword: undefined,
    disablePassword: undefined,
    password: undefined,
    provisionVMAgent: undefined,
    allowExtensionOperations: undefined,
  }
  r.osProfile = { ...(gallery.osProfile ?? fallback), ...none }
  return true
}
