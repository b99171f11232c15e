import type { Fields } from '../../../../arm/fields.ts'
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
  fields.invalid(
    target,
    kept.guest === undefined
      ? `The source of the disk has no guest state: it cannot be a disk of security type '${given}'.`
      : `The security type of the disk must be its source's.`,
    {
      expected: has,
      found: given,
      remedy:
        kept.guest === undefined ? 'Use createOption ImportSecure with guest state.' : `Use ${has}, or leave it out.`,
      rule: encryption === undefined ? 'S18' : 'S16',
    },
  )
}
