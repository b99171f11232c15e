import type { SealedPassword } from '../../../../store/passwords.ts'
import type {
  FirmwareUpdates,
  ImageReference,
  SecureBootUpdates,
  SecurityEncryptionType,
  SecurityType,
  Tee,
} from '@strongroom/contract'
import type { UserIdentity } from '../../../../types/references.ts'
import type { Json, Resource, ResourceBody } from '../../../../store/resources.ts'

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
  /** ARM id of its source, a disk or snapshot (`Copy`); `Restore` is of an earlier release. */
  source?: string
  deleteOption: 'Delete' | 'Detach'
  caching: string
  storageAccountType: string
  sizeGiB?: number
}

/** A request's change to a VM's data disks. */
export interface DiskChange {
  /** ARM ids of disks new to the VM. */
  taken: string[]
  /** Of these, the ones created with the request. */
  made: string[]
  /** Disks to be removed. They belong to the VM until the host has released them. */
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

/** A VM as a request describes it, complete and validated. */
export interface VmModel {
  location: string
  tags: Record<string, string>
  zones: string[]
  vmSize: string
  /** An omitted type is stored as Standard: a stored model always has it. */
  securityType: SecurityType
  /** Confidential VMs only. */
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
    /** Absent: SSH key login only. Fixed. */
    password?: SealedPassword
    /** Settings for Azure's agent; stored as sent, because there is no agent. The first is fixed. */
    provisionVMAgent?: boolean
    allowExtensionOperations?: boolean
  }
  /** Base64. */
  userData?: string
  /** Whether `retrieveBootDiagnosticsData` may return the console log. */
  bootDiagnostics?: boolean
  nics: VmNic[]
  dataDisks?: DataDisk[]
  /** Attests its boots; default: the region's shared provider. Fixed: the VM's key is released only on this one's tokens. */
  attestationProvider?: AttestationProvider
  /** Which releases of the installation's signed list it may be launched with; default `Listed`. */
  firmwareUpdates?: FirmwareUpdates
  /** Minutes in which the owner wants to know before it is moved to another host; none by default. */
  moveNotice?: number
  /** Whether the VM has its own identity in the directory. */
  systemAssigned?: boolean
  /** Further identities it may act as, by their principal at assignment. */
  userAssigned?: UserIdentity[]
  /** The availability set it belongs to; in its group. Fixed. */
  availabilitySet?: { id: string }
  /** The scale set that created it or that it was added to; in its group. Fixed. */
  scaleSet?: { id: string }
  /** The customer's key that protects the guest state besides the platform's. Fixed. */
  diskEncryptionSet?: { id: string }
}

/** The platform's record of a VM besides what clients see. */
export interface VmInternal {
  /** Upper-case GUID; a VM recreated under the same name has another. */
  vmId: string
  /** Confidential VMs only. */
  tee?: Tee
  /** ImageRecord.id */
  imageId: string
  imageVersion: string
  model: VmModel
  /** Plain sentence about what was done differently than requested, for the instance view. */
  notice?: string
  /** The VM's principal in the directory, if any. */
  identity?: { principalId: string; tenantId: string }
  /** Key identifier with version, once the key exists. */
  keyId?: string
  /** The customer's key that the guest state is under, if the VM has a disk-encryption set. */
  customerKeyId?: string
  /** Whether the host has created disk and guest state. */
  provisioned: boolean
  deallocated: boolean
  /** The guest was deprovisioned: a source of images, which never starts. */
  generalized?: boolean
  /** It has or had data disks: the host may have to be told that it has none. */
  hadDataDisks?: boolean
  /** Created from a specialised image: the account is the image's. */
  specialised?: boolean
  /** The maintenance configuration that its owner assigned to it. */
  maintenance?: { name: string; configurationId: string }
  /** Restored from a backup: its manifest, signed. */
  restore?: string
  /** Signed writes of its Secure Boot variables that its owner gave, for its boots to take. */
  secureBootUpdates?: SecureBootUpdates
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

/** `identity` as Azure shows it; undefined if the VM has none. */
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
      ...(model.firmwareUpdates !== undefined && { firmwareUpdates: model.firmwareUpdates }),
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
    // A specialised image has its own: Azure shows none.
    ...(internal.specialised !== true && { osProfile: osProfileView(model) }),
    ...(model.moveNotice !== undefined && {
      scheduledEventsProfile: {
        redeployNotificationProfile: { enable: true, notBeforeTimeout: `PT${model.moveNotice}M` },
      },
    }),
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
    tags: model.tags,
    ...(model.zones.length > 0 && { zones: model.zones }),
    ...(identity !== undefined && { identity }),
  }
}

/** A gallery image shows its exact version, whatever was named. */
function imageView({ model, imageVersion }: VmInternal): Json {
  const { image } = model
  const exact = !('id' in image) || /\/Microsoft\.Compute\//i.test(image.id)
  return exact ? { ...image, exactVersion: imageVersion } : { ...image }
}

/** The OS disk's body: a resource that clients can read and that lives and dies with its VM. */
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
