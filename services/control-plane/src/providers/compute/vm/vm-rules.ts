import { securityTypes, type ImageRecord, type SecurityType } from '@strongroom/contract'
import type { Problem } from '../../../arm/fields.ts'
import { findRegion } from '../../../arm/regions.ts'
import { answerOf, bad } from './security-table.ts'
import { findSize } from '../size/sizes.ts'
import type { VmRequest } from './model/requested-vm.ts'

/** Undefined if absent or unknown to Azure. */
export const securityTypeOf = (text: string | undefined): SecurityType | undefined =>
  securityTypes.find((type) => type.toLowerCase() === text?.toLowerCase())

/** Every fault in security type, size, encryption, firmware and image at once. */
export function securityProblems(r: VmRequest, image: ImageRecord | undefined): Problem[] {
  if (r.vmSize === undefined)
    return [
      {
        ...bad("Required parameter 'hardwareProfile.vmSize' is missing (null).", {
          target: 'properties.hardwareProfile.vmSize',
          expected: 'a size',
          found: 'null',
          remedy: 'Name a size, for example Standard_DC2as_v5.',
        }),
        code: 'InvalidParameter',
      },
    ]
  const securityType = securityTypeOf(r.securityType)
  const misread = new Set(r.fields.problems.map(({ target }) => target))
  return answerOf({
    securityType,
    ...(securityType === undefined && r.securityType !== undefined && { unknownType: r.securityType }),
    encryption: r.encryption,
    diskProfile: r.encryptionGiven,
    secureBoot: r.secureBoot,
    vTpm: r.vTpm,
    diskEncryptionSet: r.diskEncryptionSetId,
    sizeName: r.vmSize,
    size: findSize(r.vmSize),
    location: r.location,
    region: findRegion(r.location),
    image,
    // A malformed value is refused as malformed, not as absent.
  }).filter(({ target }) => target === undefined || !misread.has(target))
}
