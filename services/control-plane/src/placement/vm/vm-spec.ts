import type { AnySpec, InstanceSpec, ShownFacts, SpreadSet, VmSpec } from '@strongroom/contract'
import { hostSize, findSize } from '../../providers/compute/size/sizes.ts'
import { attestationUri } from '../../providers/compute/vm/model/vm-attestation.ts'
import { secureBootUpdatesOf } from '../../providers/compute/vm/secure-boot-updates.ts'
import { diskIdOf, type Vm } from '../../providers/compute/vm/model/vm-model.ts'
import type { Plane } from '../../types/plane.ts'
import { hostNetwork } from './vm-network.ts'
import { customerKeyOf } from './vm-set.ts'

/** The whole specification for the host, as it is at the time of the request. */
export async function instanceSpec(plane: Plane, vm: Vm): Promise<AnySpec> {
  const { model, imageId, vmId, tee, keyId, restore } = vm.internal
  const customerKey = await customerKeyOf(plane, vm)
  const size = findSize(model.vmSize)
  const { password } = model.osProfile
  const { network, interfaces, subnetPrefix } = await hostNetwork(plane, vm)
  if (size === undefined) throw new TypeError(`the record of ${vm.id} is incomplete`)
  const common: VmSpec = {
    vmId,
    resourceId: vm.id,
    name: vm.name,
    region: vm.location,
    size: hostSize(size),
    image: imageId,
    osDisk: { id: diskIdOf(vm.id, model.osDisk.name), sizeGiB: model.osDisk.sizeGiB },
    osProfile: {
      computerName: model.osProfile.computerName,
      adminUsername: model.osProfile.adminUsername,
      sshPublicKeys: model.osProfile.sshKeys.map((key) => key.keyData),
      ...(model.osProfile.customData !== undefined && { customData: model.osProfile.customData }),
      ...(password !== undefined && {
        passwordHash: await plane.passwords.open(password, vmId),
        passwordSha256: password.digest,
      }),
    },
    ...(model.userData !== undefined && { userData: model.userData }),
    network,
    ...(interfaces.length > 0 && { interfaces }),
    tags: model.tags,
    shown: await shownFacts(plane, vm, subnetPrefix),
  }
  const { secureBoot, vTpm, encryption } = model
  const type = model.securityType
  if (type !== 'ConfidentialVM') return { ...common, ordinary: type, security: { secureBoot, vTpm } }
  if (tee === undefined || encryption === undefined) throw new TypeError(`the record of ${vm.id} is incomplete`)
  if (keyId === undefined && encryption !== 'NonPersistedTPM') throw new TypeError('a VM is provisioned after its key')
  const security = { encryption, secureBoot, vTpm }
  return {
    ...common,
    tee,
    security,
    ...(keyId !== undefined && { guestStateKey: keyId }),
    ...(customerKey !== undefined && { customerKey }),
    ...(restore !== undefined && { restore: { manifest: restore } }),
    attestationProvider: attestationUri(model),
    ...settingsOf(vm),
    ...secureBootUpdatesOf(vm),
  }
}

/** Only a VM that keeps its guest state is bound to its settings. */
export function settingsOf({ internal }: Vm): Pick<InstanceSpec, 'settings'> {
  const { securityType, encryption } = internal.model
  if (securityType !== 'ConfidentialVM' || encryption === 'NonPersistedTPM') return {}
  return { settings: internal.specialised === true ? 'OnDisk' : 'Requested' }
}

/** What the guest may read at its metadata endpoint besides what the host needs. */
export async function shownFacts(plane: Plane, vm: Vm, subnetPrefix: string | undefined): Promise<ShownFacts> {
  const spread = await spreadSetOf(plane, vm)
  const { model, imageVersion } = vm.internal
  const { image, osDisk } = model
  return {
    imageReference: 'id' in image ? { id: image.id } : { ...image, version: imageVersion },
    osDisk: { name: osDisk.name, caching: osDisk.caching, storageAccountType: osDisk.storageAccountType },
    ...(model.zones[0] !== undefined && { zone: model.zones[0] }),
    ...(model.scaleSet !== undefined && { scaleSet: model.scaleSet.id }),
    ...(subnetPrefix !== undefined && { subnetPrefix }),
    ...(spread !== undefined && { spread }),
  }
}

/** Azure's numbers for sets that name none. */
const usualFaultDomains = 2
const usualUpdateDomains = 5

/** The set whose VMs are to be on different hosts. */
async function spreadSetOf(plane: Plane, { internal: { model } }: Vm): Promise<SpreadSet | undefined> {
  const id = model.availabilitySet?.id ?? model.scaleSet?.id
  const set = id === undefined ? undefined : await plane.resources.find(id)
  if (set === undefined) return undefined
  const { platformFaultDomainCount: faults, platformUpdateDomainCount: updates } = set.body.properties
  return {
    id: set.id,
    faultDomains: Number(faults ?? usualFaultDomains),
    updateDomains: Number(updates ?? usualUpdateDomains),
  }
}
