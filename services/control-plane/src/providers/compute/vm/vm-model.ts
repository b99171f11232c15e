import type { ImageReference, SecurityEncryptionType, SecurityType, Tee } from '@strongroom/contract'
import type { UserIdentity } from '../../../types/references.ts'
import type { Json, Resource, ResourceBody } from '../../../store/resources.ts'

export const vmType = 'Microsoft.Compute/virtualMachines'
export const diskType = 'Microsoft.Compute/disks'

export interface VmNic {
  id: string
  deleteOption: 'Delete' | 'Detach'
  primary: boolean
}

export interface DataDisk {
  lun: number
  name: string
  /** ARM id, once the disk is made. */
  id?: string
  createOption: 'Attach' | 'Empty' | 'Copy' | 'Restore'
  /** ARM id of what it was made of: of a disk or snapshot (`Copy`), of a disk's restore point (`Restore`). */
  source?: string
  deleteOption: 'Delete' | 'Detach'
  caching: string
  storageAccountType: string
  sizeGiB?: number
}

/** What a request changed of a VM's data disks. */
export interface DiskChange {
  /** ARM ids of the disks that the VM had not. */
  taken: string[]
  /** Of these, the ones that were made with the request. */
  made: string[]
  /** Disks that it is to have no longer. They are its own until the host has taken them away. */
  detached: DataDisk[]
}

export interface SshKey {
  path: string
  keyData: string
}

export interface AttestationProvider {
  id: string
  /** For example https://alpha.weu.attest.strongroom.internal */
  uri: string
}

/** A VM as a request describes it, complete and checked. */
export interface VmModel {
  location: string
  tags: Record<string, string>
  zones: string[]
  vmSize: string
  /** What a request left out is written as Standard: a stored model always says it. */
  securityType: SecurityType
  /** Of confidential VMs alone. */
  encryption?: SecurityEncryptionType
  secureBoot: boolean
  vTpm: boolean
  encryptionAtHost: boolean
  image: ImageReference
  osDisk: { name: string; sizeGiB: number; caching: string; storageAccountType: string }
  osProfile: {
    computerName: string
    adminUsername: string
    sshKeys: SshKey[]
    customData?: string
    /** Absent: the account is entered by SSH key alone. Fixed. */
    password?: SealedPassword
    /** What Azure's agent would be told; kept as it was sent, for there is no agent. The first is fixed. */
    provisionVMAgent?: boolean
    allowExtensionOperations?: boolean
  }
  /** Base64. */
  userData?: string
  /** Whether the console's log may be fetched by `retrieveBootDiagnosticsData`. */
  bootDiagnostics?: boolean
  nics: VmNic[]
  dataDisks?: DataDisk[]
  /** Who attests its boots; the region's shared provider where it is absent. Fixed: the VM's key is released on this one's word alone. */
  attestationProvider?: AttestationProvider
  /** Whether the VM has an identity of its own in the directory. */
  systemAssigned?: boolean
  /** What it may act as beside, by the principal that each was when it was assigned. */
  userAssigned?: UserIdentity[]
  /** VMs that it stands beside; in its group. Fixed. */
  availabilitySet?: { id: string }
  /** The set that it was made by or put into; in its group. Fixed. */
  scaleSet?: { id: string }
  /** Whose key the guest state is under beside the platform's. Fixed. */
  diskEncryptionSet?: { id: string }
}

/** What the platform keeps of a VM beside what clients see. */
export interface VmInternal {
  /** Upper-case GUID; a VM recreated under the same name has another. */
  vmId: string
  /** Of confidential VMs alone. */
  tee?: Tee
  /** ImageRecord.id */
  imageId: string
  imageVersion: string
  model: VmModel
  /** Plain sentence about what was done in another way than asked, for the instance view. */
  notice?: string
  /** The VM's principal in the directory, where it has one. */
  identity?: { principalId: string; tenantId: string }
  /** Key identifier with version, once the key exists. */
  keyId?: string
  /** Of the customer's key that the guest state is under, where the VM has a disk-encryption set. */
  customerKeyId?: string
  /** Whether the host has made disk and guest state. */
  provisioned: boolean
  deallocated: boolean
  /** The guest was deprovisioned: a source of images, which starts no more. */
  generalized?: boolean
  /** It has or once had data disks: the host may have to be told that it has none. */
  hadDataDisks?: boolean
  /** Made of a specialised image: the account is the image's. */
  specialised?: boolean
}

export type Vm = Resource<VmInternal>

const diskSecurity: Record<SecurityEncryptionType, string> = {
  VMGuestStateOnly: 'ConfidentialVM_VMGuestStateOnlyEncryptedWithPlatformKey',
  DiskWithVMGuestState: 'ConfidentialVM_DiskEncryptedWithPlatformKey',
  NonPersistedTPM: 'ConfidentialVM_NonPersistedTPM',
}

export const diskIdOf = (vmId: string, diskName: string): string =>
  `${vmId.split('/').slice(0, 5).join('/')}/providers/${diskType}/${diskName}`

function osDiskSecurity(model: VmModel): Json {
  const { encryption, diskEncryptionSet: set } = model
  if (encryption === undefined)
    return model.securityType === 'TrustedLaunch' ? { securityProfile: { securityType: 'TrustedLaunch' } } : {}
  if (set === undefined) return { securityProfile: { securityType: diskSecurity[encryption] } }
  const securityType = 'ConfidentialVM_DiskEncryptedWithCustomerKey'
  return { securityProfile: { securityType, secureVMDiskEncryptionSetId: set.id } }
}
const osProfileView = (model: VmModel): Json => ({
  computerName: model.osProfile.computerName,
  adminUsername: model.osProfile.adminUsername,
  linuxConfiguration: {
    disablePasswordAuthentication: model.osProfile.password === undefined,
    ssh: { publicKeys: model.osProfile.sshKeys },
    provisionVMAgent: model.osProfile.provisionVMAgent ?? false,
  },
  secrets: [],
  allowExtensionOperations: model.osProfile.allowExtensionOperations ?? false,
})

/** `identity` as Azure shows it; undefined where the VM has none. */
function identityView({ identity, model }: VmInternal): Json | undefined {
  const users = model.userAssigned ?? []
  const parts = [...(identity === undefined ? [] : ['SystemAssigned']), ...(users.length === 0 ? [] : ['UserAssigned'])]
  if (parts.length === 0) return undefined
  return {
    type: parts.join(', '),
    ...identity,
    ...(users.length > 0 && {
      userAssignedIdentities: Object.fromEntries(
        users.map(({ id, principalId, clientId }) => [id, { principalId, clientId }]),
      ),
    }),
  }
}

/** The VM's body as Azure shows it. */
export function vmBody(id: string, internal: VmInternal, state: string, createdAt: string): ResourceBody {
  const { model } = internal
  const identity = identityView(internal)
  const properties: Json = {
    vmId: internal.vmId.toLowerCase(),
    provisioningState: state,
    timeCreated: createdAt,
    hardwareProfile: { vmSize: model.vmSize },
    ...(model.availabilitySet !== undefined && { availabilitySet: model.availabilitySet }),
    ...(model.scaleSet !== undefined && { virtualMachineScaleSet: model.scaleSet }),
    securityProfile: {
      ...(model.securityType !== 'Standard' && {
        securityType: model.securityType,
        uefiSettings: { secureBootEnabled: model.secureBoot, vTpmEnabled: model.vTpm },
      }),
      ...(model.encryptionAtHost && { encryptionAtHost: true }),
      ...(model.attestationProvider !== undefined && { attestationProvider: { id: model.attestationProvider.id } }),
    },
    storageProfile: {
      imageReference: imageView(internal),
      osDisk: {
        osType: 'Linux',
        name: model.osDisk.name,
        createOption: 'FromImage',
        caching: model.osDisk.caching,
        deleteOption: 'Delete',
        diskSizeGB: model.osDisk.sizeGiB,
        managedDisk: {
          id: diskIdOf(id, model.osDisk.name),
          storageAccountType: model.osDisk.storageAccountType,
          ...(model.encryption !== undefined && {
            securityProfile: {
              securityEncryptionType: model.encryption,
              ...(model.diskEncryptionSet !== undefined && { diskEncryptionSet: model.diskEncryptionSet }),
            },
          }),
        },
      },
      dataDisks: (model.dataDisks ?? []).map((disk) => ({
        lun: disk.lun,
        name: disk.name,
        createOption: disk.createOption,
        ...(disk.source !== undefined && { sourceResource: { id: disk.source } }),
        caching: disk.caching,
        deleteOption: disk.deleteOption,
        diskSizeGB: disk.sizeGiB,
        toBeDetached: false,
        managedDisk: { id: disk.id, storageAccountType: disk.storageAccountType },
      })),
    },
    // A specialised image brings its own: Azure shows none.
    ...(internal.specialised !== true && { osProfile: osProfileView(model) }),
    ...(model.bootDiagnostics === true && { diagnosticsProfile: { bootDiagnostics: { enabled: true } } }),
    networkProfile: {
      networkInterfaces: model.nics.map((nic) => ({
        id: nic.id,
        properties: { deleteOption: nic.deleteOption, primary: nic.primary },
      })),
    },
  }
  return {
    properties,
    ...(Object.keys(model.tags).length > 0 && { tags: model.tags }),
    ...(model.zones.length > 0 && { zones: model.zones }),
    ...(identity !== undefined && { identity }),
  }
}

/** A version of a gallery says which it is, whatever was named. */
function imageView({ model, imageVersion }: VmInternal): Json {
  const { image } = model
  const exact = !('id' in image) || /\/Microsoft\.Compute\//i.test(image.id)
  return exact ? { ...image, exactVersion: imageVersion } : { ...image }
}

/** The OS disk's body: a resource that clients can look at and that lives and dies with its VM. */
export function osDiskBody(internal: VmInternal, createdAt: string): ResourceBody {
  const { model } = internal
  return {
    sku: { name: model.osDisk.storageAccountType, tier: model.osDisk.storageAccountType.split('_')[0] ?? '' },
    properties: {
      osType: 'Linux',
      hyperVGeneration: 'V2',
      creationData: { createOption: 'FromImage', imageReference: model.image },
      diskSizeGB: model.osDisk.sizeGiB,
      diskSizeBytes: model.osDisk.sizeGiB * 2 ** 30,
      diskState: 'Attached',
      ...osDiskSecurity(model),
      timeCreated: createdAt,
      provisioningState: 'Succeeded',
      uniqueId: internal.vmId.toLowerCase(),
    },
    ...(model.zones.length > 0 && { zones: model.zones }),
  }
}

/** Creating, Updating, Deleting, Succeeded or Failed. */
export const stateOf = (vm: Vm): string => {
  const state = vm.body.properties['provisioningState']
  return typeof state === 'string' ? state : 'Failed'
}

/** An administrator's password as it is kept: never in clear, and its hash sealed. */
export interface SealedPassword {
  /** Base64; of the hash that the guest gets. */
  sealed: string
  /** SHA-256 of the hash, hexadecimal: what the guest measures into PCR 14. Without the salt inside the hash it tells nothing. */
  digest: string
}
