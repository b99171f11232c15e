import { identities, members, only, reference, type Members } from '../../../types/members.ts'

/** The readers refuse these in every request, each with its own reason. */
const refusedOfVm: Members = {
  host: 'honoured',
  hostGroup: 'honoured',
  proximityPlacementGroup: 'honoured',
  capacityReservation: 'honoured',
  licenseType: 'honoured',
  scheduledEventsPolicy: 'honoured',
}

const dataDisks: Members = {
  lun: 'honoured',
  name: 'honoured',
  createOption: 'honoured',
  caching: 'kept',
  diskSizeGB: 'fixed',
  deleteOption: 'honoured',
  toBeDetached: 'honoured',
  detachOption: only('ForceDetach'),
  sourceResource: reference,
  managedDisk: {
    id: 'honoured',
    storageAccountType: 'honoured',
    diskEncryptionSet: 'honoured',
    securityProfile: 'honoured',
  },
  writeAcceleratorEnabled: only(false),
}

const osDisk: Members = {
  osType: 'honoured',
  name: 'honoured',
  createOption: 'honoured',
  caching: 'fixed',
  diskSizeGB: 'honoured',
  deleteOption: 'honoured',
  diffDiskSettings: 'honoured',
  managedDisk: {
    storageAccountType: 'fixed',
    diskEncryptionSet: 'honoured',
    securityProfile: { securityEncryptionType: 'honoured', diskEncryptionSet: reference },
  },
  encryptionSettings: { enabled: only(false) },
  writeAcceleratorEnabled: only(false),
}

const linuxConfiguration: Members = {
  disablePasswordAuthentication: 'honoured',
  ssh: { publicKeys: { path: 'honoured', keyData: 'honoured' } },
  provisionVMAgent: 'kept',
  enableVMAgentPlatformUpdates: only(false),
  patchSettings: { patchMode: only('ImageDefault'), assessmentMode: only('ImageDefault') },
}

export const osProfile: Members = {
  adminUsername: 'honoured',
  adminPassword: 'honoured',
  customData: 'honoured',
  linuxConfiguration,
  windowsConfiguration: 'honoured',
  allowExtensionOperations: 'kept',
  requireGuestProvisionSignal: only(true),
}

/** What a VM and the profile of a scale set's instances have in common. */
export const profileMembers: Members = {
  storageProfile: {
    imageReference: {
      id: 'honoured',
      publisher: 'honoured',
      offer: 'honoured',
      sku: 'honoured',
      version: 'honoured',
      exactVersion: 'shown',
    },
    osDisk,
    dataDisks,
    diskControllerType: only('SCSI'),
    alignRegionalDisksToVMZone: only(false),
  },
  securityProfile: {
    securityType: 'honoured',
    uefiSettings: { secureBootEnabled: 'honoured', vTpmEnabled: 'honoured' },
    encryptionAtHost: 'honoured',
    attestationProvider: reference,
    firmwareUpdates: 'honoured',
    proxyAgentSettings: { enabled: only(false) },
  },
  diagnosticsProfile: { bootDiagnostics: { enabled: 'honoured', storageUri: 'honoured' } },
  additionalCapabilities: {
    ultraSSDEnabled: 'honoured',
    hibernationEnabled: 'honoured',
    nestedVirtualizationEnabled: 'honoured',
    enableNestedVirtualization: 'honoured',
    enableFips1403Encryption: only(false),
  },
  scheduledEventsProfile: {
    redeployNotificationProfile: { enable: 'honoured', notBeforeTimeout: 'honoured' },
    terminateNotificationProfile: 'honoured',
    osImageNotificationProfile: 'honoured',
  },
  applicationProfile: { galleryApplications: 'honoured' },
  priority: 'honoured',
  billingProfile: { maxPrice: only(-1) },
  userData: 'honoured',
  ...refusedOfVm,
}

export const vmMembers: Members = members(
  {
    // The readers refuse another one than the VM's.
    location: 'honoured',
    zones: 'honoured',
    plan: 'honoured',
    identity: identities,
    managedBy: 'shown',
    resources: 'shown',
  },
  {
    ...profileMembers,
    hardwareProfile: { vmSize: 'honoured', vmSizeProperties: 'honoured' },
    osProfile: { ...osProfile, computerName: 'honoured' },
    networkProfile: {
      networkInterfaces: { ...reference, properties: { primary: 'honoured', deleteOption: 'honoured' } },
    },
    availabilitySet: reference,
    virtualMachineScaleSet: reference,
    extensionsTimeBudget: only('PT1H30M'),
    restore: { manifest: 'honoured' },
    vmId: 'shown',
    timeCreated: 'shown',
    instanceView: 'shown',
  },
)
