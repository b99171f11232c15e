import { isOrdinary, type AnySpec, type AttachedDisk, type GuestInterface } from '@strongroom/contract'
import type { MetadataNode } from './metadata/metadata-tree.ts'

type Document = Record<string, MetadataNode>

/** The image's marketplace publisher; empty for images from elsewhere, as on Azure. */
export function marketplaceOf(spec: AnySpec): { publisher: string; offer: string; sku: string; version: string } {
  const image = spec.shown?.imageReference
  return image !== undefined && 'publisher' in image ? image : { publisher: '', offer: '', sku: '', version: '' }
}

/** Images here need no separate licence (Azure: Windows_Server, RHEL_BYOS, …). */
export const licenceOf = (): string => ''

/** First api-version that shows a member of `compute`; all others existed from the start. */
const since: Readonly<Record<string, string>> = {
  additionalCapabilities: '2021-11-01',
  azEnvironment: '2018-10-01',
  customData: '2019-02-01',
  evictionPolicy: '2020-12-01',
  extendedLocation: '2021-03-01',
  host: '2021-11-15',
  isHostCompatibilityLayerVm: '2020-06-01',
  licenseType: '2020-09-01',
  osProfile: '2020-07-15',
  placementGroupId: '2017-08-01',
  plan: '2018-04-02',
  platformSubFaultDomain: '2021-10-01',
  priority: '2020-12-01',
  provider: '2018-10-01',
  publicKeys: '2018-04-02',
  resourceGroupName: '2017-08-01',
  resourceId: '2019-03-11',
  securityProfile: '2020-06-01',
  storageProfile: '2019-06-01',
  subscriptionId: '2017-08-01',
  tags: '2017-08-01',
  tagsList: '2019-06-04',
  userData: '2021-01-01',
  virtualMachineScaleSet: '2021-03-01',
  vmScaleSetName: '2017-12-01',
  zone: '2017-12-01',
}

/** Azure's document at /metadata/instance for one api-version. Numbers and flags are texts in it. */
export function instanceMetadata(o: {
  spec: AnySpec
  subscriptionId: string
  version: string
  dataDisks?(): AttachedDisk[]
}): Document {
  const all = compute(o.spec, o.subscriptionId, o.dataDisks?.() ?? [])
  const shown = Object.entries(all).filter(([name]) => (since[name] ?? '') <= o.version)
  return { compute: Object.fromEntries(shown), network: network(o.spec) }
}

function compute(spec: AnySpec, subscriptionId: string, dataDisks: AttachedDisk[]): Document {
  const market = marketplaceOf(spec)
  const { adminUsername, computerName, sshPublicKeys, passwordSha256 } = spec.osProfile
  return {
    additionalCapabilities: { hibernationEnabled: 'false' },
    azEnvironment: 'AzurePublicCloud',
    customData: '',
    evictionPolicy: '',
    extendedLocation: { name: '', type: '' },
    host: { id: '' },
    isHostCompatibilityLayerVm: 'false',
    licenseType: licenceOf(),
    location: spec.region,
    name: spec.name,
    offer: market.offer,
    osProfile: { adminUsername, computerName, disablePasswordAuthentication: String(passwordSha256 === undefined) },
    osType: 'Linux',
    placementGroupId: '',
    plan: { name: '', product: '', publisher: '' },
    platformFaultDomain: String(spec.shown?.domains?.faultDomain ?? 0),
    platformSubFaultDomain: '',
    platformUpdateDomain: String(spec.shown?.domains?.updateDomain ?? 0),
    priority: 'Regular',
    provider: 'Microsoft.Compute',
    publicKeys: sshPublicKeys.map((keyData) => ({ keyData, path: `/home/${adminUsername}/.ssh/authorized_keys` })),
    publisher: market.publisher,
    resourceGroupName: /\/resourceGroups\/([^/]+)\//i.exec(spec.resourceId)?.[1] ?? '',
    resourceId: spec.resourceId,
    securityProfile: {
      encryptionAtHost: 'false',
      secureBootEnabled: String(spec.security.secureBoot),
      securityType: isOrdinary(spec) ? (spec.ordinary === 'Standard' ? '' : spec.ordinary) : 'ConfidentialVM',
      virtualTpmEnabled: String(spec.security.vTpm),
    },
    sku: market.sku,
    storageProfile: storage(spec, dataDisks),
    subscriptionId,
    tags: Object.entries(spec.tags)
      .map(([name, value]) => `${name}:${value}`)
      .join(';'),
    tagsList: Object.entries(spec.tags).map(([name, value]) => ({ name, value })),
    userData: spec.userData ?? '',
    version: market.version,
    virtualMachineScaleSet: { id: spec.shown?.scaleSet ?? '' },
    vmId: spec.vmId.toLowerCase(),
    vmScaleSetName: spec.shown?.scaleSet?.split('/').at(-1) ?? '',
    vmSize: spec.size.name,
    zone: spec.shown?.zone ?? '',
  }
}

function storage(spec: AnySpec, dataDisks: AttachedDisk[]): Document {
  const image = spec.shown?.imageReference
  const disk = spec.shown?.osDisk
  return {
    dataDisks: dataDisks.map(({ lun, sizeGiB, shown }) => ({
      bytesPerSecondThrottle: '0',
      caching: shown.caching,
      createOption: 'Attach',
      diskCapacityBytes: String(sizeGiB * 2 ** 30),
      diskSizeGB: String(sizeGiB),
      image: { uri: '' },
      isSharedDisk: 'false',
      isUltraDisk: 'false',
      lun: String(lun),
      managedDisk: { id: shown.id, storageAccountType: shown.storageAccountType },
      name: shown.name,
      opsPerSecondThrottle: '0',
      vhd: { uri: '' },
      writeAcceleratorEnabled: 'false',
    })),
    imageReference: { id: image !== undefined && 'id' in image ? image.id : '', ...marketplaceOf(spec) },
    osDisk: {
      caching: disk?.caching ?? 'None',
      createOption: 'FromImage',
      diffDiskSettings: { option: '' },
      diskSizeGB: String(spec.osDisk.sizeGiB),
      encryptionSettings: { enabled: 'false' },
      image: { uri: '' },
      managedDisk: { id: spec.osDisk.id, storageAccountType: disk?.storageAccountType ?? '' },
      name: disk?.name ?? spec.osDisk.id.split('/').at(-1) ?? '',
      osType: 'Linux',
      vhd: { uri: '' },
      writeAcceleratorEnabled: 'false',
    },
    // In MiB, as Azure has it.
    resourceDisk: { size: String((spec.size.temporaryGiB ?? 0) * 1024) },
  }
}

function network(spec: AnySpec): Document {
  const primary = { ...spec.network, subnetPrefix: spec.shown?.subnetPrefix ?? '' }
  return { interface: [primary, ...(spec.interfaces ?? [])].map(interfaceOf) }
}

function interfaceOf({ macAddress, privateIpAddress, subnetPrefix }: GuestInterface): Document {
  const [address = '', prefix = ''] = subnetPrefix.split('/')
  // Public addresses of this installation lead nowhere, so a guest sees none.
  const ipAddress = [{ privateIpAddress, publicIpAddress: '' }]
  return {
    ipv4: { ipAddress, subnet: address === '' ? [] : [{ address, prefix }] },
    ipv6: { ipAddress: [] },
    macAddress: macAddress.replaceAll(/[:-]/g, '').toUpperCase(),
  }
}
