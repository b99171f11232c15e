import type { Fields } from '../../../../arm/fields.ts'
import type { Particulars } from '../../../../arm/refusals.ts'
import { diskSecurityTypes, encryptionOf, type StoredDisk } from './stored-disk.ts'

const customerKey = 'ConfidentialVM_DiskEncryptedWithCustomerKey'
const types = [...Object.values(diskSecurityTypes), customerKey, 'TrustedLaunch', 'Standard']

/**
 * Compares a request's disk security with the disk's. It comes from the source: copying neither makes a disk
 * confidential nor removes its guest state.
 */
export function checkDiskSecurity(
  fields: Fields,
  properties: Fields,
  kept: StoredDisk | undefined,
  option: string,
): void {
  const profile = properties.object('securityProfile')
  const given = profile.oneOf('securityType', types)
  const target = profile.at('securityType')
  const secure = ['importsecure', 'uploadpreparedsecure'].includes(option.toLowerCase())
  if (given === customerKey || profile.has('secureVMDiskEncryptionSetId')) {
    fields.unsupported(target, 'Copies of disks under a customer’s key are not offered.', {
      expected: 'a disk with a platform key',
      remedy: 'Use a VM without a disk-encryption set as the source.',
    })
    return
  }
  if (secure && given === undefined && !profile.has('securityType')) {
    fields.invalid(target, `securityType is required with createOption '${option}'.`, {
      expected: Object.values(diskSecurityTypes).join(', '),
      found: 'null',
    })
    return
  }
  if (given === undefined || kept === undefined) return
  if (kept.source.from === 'upload' && kept.source.withGuestState && given.startsWith('ConfidentialVM_')) return
  // External content is what its creator declares; az sends TrustedLaunch by default.
  if (
    given === 'TrustedLaunch' &&
    kept.guest === undefined &&
    ['fromimage', 'import', 'upload'].includes(option.toLowerCase())
  )
    kept.trustedLaunch = true
  const bare = kept.trustedLaunch === true ? 'TrustedLaunch' : 'Standard'
  const encryption = encryptionOf(kept)
  const has = encryption === undefined ? bare : diskSecurityTypes[encryption]
  if (given === has) return
  fields.invalid(target, ...misfit({ given, has, isSecured: kept.guest !== undefined, option: option.toLowerCase() }))
}

/** Why a disk cannot have the security type given. @param o.has that of its source */
function misfit(o: { given: string; has: string; isSecured: boolean; option: string }): [string, Particulars] {
  const { given, has } = o
  const found = { expected: has, found: given }
  const rule = Object.values<string>(diskSecurityTypes).includes(has) ? 'S16' : 'S18'
  if (o.isSecured)
    return [
      `The security type of the disk must be its source's.`,
      { ...found, remedy: `Use ${has}, or leave it out.`, rule },
    ]
  if (o.option !== 'fromimage')
    return [
      `The source of the disk has no guest state: it cannot be a disk of security type '${given}'.`,
      { ...found, remedy: 'Use createOption ImportSecure with guest state.', rule },
    ]
  return [
    `A disk from an image cannot have the security type '${given}': its guest state is made with a VM, not with a disk.`,
    { ...found, remedy: 'Create the VM from the image: az vm create --image … --security-type ConfidentialVM.', rule },
  ]
}
