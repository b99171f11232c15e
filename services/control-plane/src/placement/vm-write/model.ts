import { findSize, type Size } from '../../providers/compute/size/sizes.ts'
import type { SealedPassword } from '../../store/passwords.ts'
import type { AttestationProvider, VmModel } from '../../providers/compute/vm/model/vm-model.ts'
import type { VmRequest } from '../../providers/compute/vm/model/requested-vm.ts'
import { securityTypeOf } from '../../providers/compute/vm/vm-rules.ts'
import type { UserIdentity } from '../../types/references.ts'

/** The VM described by a request without problems. */
export function toModel(
  r: VmRequest,
  o: {
    osDiskName: string
    sizeGiB: number
    provider: AttestationProvider | undefined
    set: VmModel['diskEncryptionSet']
    availabilitySet: VmModel['availabilitySet']
    scaleSet: VmModel['scaleSet']
    identities: UserIdentity[]
    password: SealedPassword | undefined
  },
): { model: VmModel; size: Size } {
  const size = findSize(r.vmSize ?? '')
  const { encryption, secureBoot, vTpm, image } = r
  const securityType = securityTypeOf(r.securityType) ?? 'Standard'
  const { computerName, adminUsername } = r.osProfile
  if (
    size === undefined ||
    (securityType === 'ConfidentialVM' && encryption === undefined) ||
    image === undefined ||
    computerName === undefined ||
    adminUsername === undefined
  ) {
    throw new TypeError('a request that is not whole is a problem')
  }
  const model: VmModel = {
    location: r.location,
    tags: r.tags,
    zones: r.zones,
    vmSize: size.name,
    securityType,
    ...(encryption !== undefined && { encryption }),
    secureBoot: secureBoot ?? false,
    vTpm: vTpm ?? false,
    encryptionAtHost: r.encryptionAtHost,
    image,
    osDisk: {
      name: o.osDiskName,
      sizeGiB: o.sizeGiB,
      caching: r.osDisk.caching,
      storageAccountType: r.osDisk.storageAccountType,
    },
    osProfile: accountOf(r, { computerName, adminUsername, password: o.password }),
    ...(r.userData !== undefined && { userData: r.userData }),
    ...(r.bootDiagnostics !== undefined && { bootDiagnostics: r.bootDiagnostics }),
    nics: r.nics,
    ...(r.dataDisks.length > 0 && { dataDisks: r.dataDisks }),
    ...(o.provider !== undefined && { attestationProvider: o.provider }),
    ...(r.moveNotice !== undefined && r.moveNotice > 0 && { moveNotice: r.moveNotice }),
    ...(r.firmwareUpdates !== undefined && { firmwareUpdates: r.firmwareUpdates }),
    ...(o.set !== undefined && { diskEncryptionSet: o.set }),
    ...(o.availabilitySet !== undefined && { availabilitySet: o.availabilitySet }),
    ...(o.scaleSet !== undefined && { scaleSet: o.scaleSet }),
    ...(r.identity.system && { systemAssigned: true }),
    ...(o.identities.length > 0 && { userAssigned: o.identities }),
  }
  return { model, size }
}

function accountOf(
  { osProfile }: VmRequest,
  o: { computerName: string; adminUsername: string; password: SealedPassword | undefined },
): VmModel['osProfile'] {
  const { sshKeys, customData, provisionVMAgent, allowExtensionOperations } = osProfile
  return {
    computerName: o.computerName,
    adminUsername: o.adminUsername,
    sshKeys,
    ...(customData !== undefined && { customData }),
    ...(o.password !== undefined && { password: o.password }),
    ...(provisionVMAgent === true && { provisionVMAgent }),
    ...(allowExtensionOperations === true && { allowExtensionOperations }),
  }
}
