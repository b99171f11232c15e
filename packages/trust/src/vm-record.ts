import type { FirmwareUpdates, ImageReference } from '@strongroom/contract'
import type { TrustRequest } from './report.ts'

/** The resource manager's record of a VM's request, which its operator could change. */
export interface VmRecord {
  location: string
  properties: {
    vmId: string
    hardwareProfile: { vmSize: string }
    securityProfile?: {
      attestationProvider?: { id: string }
      firmwareUpdates?: FirmwareUpdates
      uefiSettings?: { secureBootEnabled?: boolean }
    }
    storageProfile?: {
      imageReference?: ImageReference
      osDisk?: {
        managedDisk?: { securityProfile?: { securityEncryptionType?: string; diskEncryptionSet?: { id: string } } }
      }
    }
  }
}

type Asked = Pick<
  TrustRequest,
  'vmId' | 'encryption' | 'size' | 'image' | 'secureBoot' | 'diskEncryptionSet' | 'askedFirmware'
>

/**
 * The part of a request that is taken from the record if there is no other source.
 * @example
 * import { askedByRecord } from '@strongroom/trust'
 *
 * const vm = { location: 'local', properties: { vmId: 'a1', hardwareProfile: { vmSize: 'Standard_DC2as_v5' } } }
 * const { size, secureBoot, encryption } = askedByRecord(vm)
 * size // => 'Standard_DC2as_v5'
 * secureBoot // => false
 * encryption // => ''
 */
export function askedByRecord({ properties }: VmRecord): Asked {
  const disk = properties.storageProfile?.osDisk?.managedDisk?.securityProfile
  return {
    vmId: properties.vmId,
    encryption: disk?.securityEncryptionType ?? '',
    size: properties.hardwareProfile.vmSize,
    image: { by: 'resource manager', reference: properties.storageProfile?.imageReference },
    secureBoot: properties.securityProfile?.uefiSettings?.secureBootEnabled === true,
    diskEncryptionSet: disk?.diskEncryptionSet?.id,
    askedFirmware: { updates: properties.securityProfile?.firmwareUpdates },
  }
}

/**
 * Id of the provider that the VM named (a resource, or one of another origin in the operator's configuration),
 * otherwise its region's.
 * @param subscription `/subscriptions/{id}`
 * @example
 * import { providerIdOf } from '@strongroom/trust'
 *
 * const vm = { location: 'westeurope', properties: { vmId: 'a1', hardwareProfile: { vmSize: 'Standard_DC2as_v5' } } }
 * providerIdOf(vm, '/subscriptions/s1') // => '/subscriptions/s1/providers/Microsoft.Attestation/locations/westeurope/defaultProvider'
 */
export const providerIdOf = ({ location, properties }: VmRecord, subscription: string): string =>
  properties.securityProfile?.attestationProvider?.id ??
  `${subscription}/providers/Microsoft.Attestation/locations/${location}/defaultProvider`
