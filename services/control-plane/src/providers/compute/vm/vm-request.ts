import { firmwareUpdates, type FirmwareUpdates } from '@strongroom/contract'
import type { FaqRuleId } from '../../../arm/faq-rule.ts'
import { Fields } from '../../../arm/fields.ts'
import { checkPlan } from '../image/plan.ts'
import { requireLocation } from '../../../arm/regions.ts'
import { readImageReference } from '../image/images.ts'
import { readDataDisks } from '../disk/data-disks.ts'
import { readDiskSize } from '../disk/disk-size.ts'
import { diskSkus } from '../disk/disk-skus.ts'
import { readMoveNotice } from './planned-maintenance.ts'
import { readIdentity } from './model/vm-identity.ts'
import { readRestore } from './model/vm-restore.ts'
import type { VmRequest } from './model/requested-vm.ts'
import type { SshKey, VmModel, VmNic } from './model/vm-model.ts'
import { mostOfVm } from '../size/sizes.ts'

const encryptionTypes = ['VMGuestStateOnly', 'DiskWithVMGuestState', 'NonPersistedTPM'] as const

/** Reads a PUT's or PATCH's body over the existing VM's model; malformed values are added to `fields`. */
export function readVmRequest(
  body: unknown,
  o: { groupLocation: string; existing?: VmModel; merge: boolean },
): VmRequest {
  const { existing } = o
  const fields = new Fields(body)
  checkPlan(fields)
  const properties = fields.object('properties')
  const security = properties.object('securityProfile')
  const uefi = security.object('uefiSettings')
  const storage = properties.object('storageProfile')
  const disk = storage.object('osDisk')
  const managed = disk.object('managedDisk')
  const diskSecurity = managed.object('securityProfile')
  const os = properties.object('osProfile')
  const disablePassword = os.object('linuxConfiguration').flag('disablePasswordAuthentication')
  const encryption = diskSecurity.oneOf('securityEncryptionType', encryptionTypes) ?? existing?.encryption
  const keys = os.object('linuxConfiguration').object('ssh').list('publicKeys', 100).map(readKey)
  return {
    fields,
    location: requireLocation(fields, fields.text('location') ?? existing?.location ?? o.groupLocation),
    tags: fields.textMap('tags') ?? existing?.tags ?? {},
    zones: fields.has('zones') ? fields.texts('zones', 3) : (existing?.zones ?? []),
    vmSize: properties.object('hardwareProfile').text('vmSize') ?? existing?.vmSize,
    securityType: security.text('securityType') ?? existing?.securityType,
    encryption,
    encryptionGiven: diskSecurity.present && diskSecurity.names.length > 0,
    diskEncryptionSetId: diskSecurity.object('diskEncryptionSet').text('id') ?? existing?.diskEncryptionSet?.id,
    secureBoot: uefi.flag('secureBootEnabled') ?? existing?.secureBoot,
    vTpm: uefi.flag('vTpmEnabled') ?? existing?.vTpm,
    encryptionAtHost: security.flag('encryptionAtHost') ?? existing?.encryptionAtHost ?? false,
    image: readImageReference(storage.object('imageReference')) ?? existing?.image,
    restore: readRestore(properties),
    osDisk: {
      name: disk.text('name') ?? existing?.osDisk.name,
      sizeGiB: readDiskSize(disk, 4095) ?? existing?.osDisk.sizeGiB,
      caching: disk.oneOf('caching', ['None', 'ReadOnly', 'ReadWrite']) ?? existing?.osDisk.caching ?? 'ReadWrite',
      storageAccountType:
        managed.oneOf('storageAccountType', diskSkus) ?? existing?.osDisk.storageAccountType ?? 'Premium_LRS',
      deleteOption: disk.oneOf('deleteOption', ['Delete', 'Detach']),
    },
    osProfile: {
      computerName: os.text('computerName') ?? existing?.osProfile.computerName,
      adminUsername: os.text('adminUsername') ?? existing?.osProfile.adminUsername,
      sshKeys: keys.length > 0 ? keys : (existing?.osProfile.sshKeys ?? []),
      customData: readBase64(os, 'customData') ?? existing?.osProfile.customData,
      // Templates send a key or a password in either place: if passwords are off, it is no password (as on Azure).
      adminPassword: disablePassword === true ? undefined : os.text('adminPassword'),
      disablePassword,
      password: existing?.osProfile.password,
      provisionVMAgent:
        os.object('linuxConfiguration').flag('provisionVMAgent') ?? existing?.osProfile.provisionVMAgent,
      allowExtensionOperations: os.flag('allowExtensionOperations') ?? existing?.osProfile.allowExtensionOperations,
    },
    userData: readBase64(properties, 'userData') ?? existing?.userData,
    bootDiagnostics: readBootDiagnostics(properties) ?? existing?.bootDiagnostics,
    nics: readNics(properties, existing?.nics),
    dataDisks: readDataDisks(storage, existing?.dataDisks ?? []),
    availabilitySetId: properties.object('availabilitySet').text('id') ?? existing?.availabilitySet?.id,
    scaleSetId: properties.object('virtualMachineScaleSet').text('id') ?? existing?.scaleSet?.id,
    attestationProviderId: security.object('attestationProvider').text('id') ?? existing?.attestationProvider?.id,
    firmwareUpdates: readFirmwareUpdates(security, encryption) ?? existing?.firmwareUpdates,
    moveNotice: readMoveNotice(properties) ?? existing?.moveNotice,
    identity: readIdentity(fields, o),
    unsupported: readUnsupported(properties),
  }
}

/** The service that releases a VM's key decides by it; for a VM without such a key nothing would. */
function readFirmwareUpdates(security: Fields, encryption: VmRequest['encryption']): FirmwareUpdates | undefined {
  const updates = security.oneOf('firmwareUpdates', firmwareUpdates)
  if (updates === undefined || (encryption !== undefined && encryption !== 'NonPersistedTPM')) return updates
  security.invalid(
    security.at('firmwareUpdates'),
    'Which firmware a VM is launched with is decided where its key is released: this VM has none.',
    {
      expected: 'a confidential VM with VMGuestStateOnly or DiskWithVMGuestState',
      found: encryption ?? 'no confidential VM',
      remedy: 'Leave firmwareUpdates out. Your own verifier sees the launch measurement of each boot.',
    },
  )
  return undefined
}

/** Azure's limit on custom data and user data, before base64. */
const dataLimit = 65_536

function readBase64(fields: Fields, name: string): string | undefined {
  const text = fields.text(name)
  if (text === undefined || text === '') return text
  const sound = /^[A-Za-z0-9+/]*={0,2}$/.test(text) && Buffer.from(text, 'base64').toString('base64') === text
  if (sound && Buffer.from(text, 'base64').length <= dataLimit) return text
  fields.invalid(
    fields.at(name),
    sound
      ? `${name} must be at most ${dataLimit} bytes before it is encoded.`
      : `${name} must be base64: '${fields.at(name)}' is not.`,
    {
      expected: `base64 of at most ${dataLimit} bytes`,
      found: sound ? `${Buffer.from(text, 'base64').length} bytes` : 'text that is not base64',
      remedy: 'Encode the file with base64; az does this itself (--custom-data FILE, --user-data FILE).',
    },
  )
  return undefined
}

/** The log is at the host: there are no storage accounts for it. */
function readBootDiagnostics(properties: Fields): boolean | undefined {
  const diagnostics = properties.object('diagnosticsProfile').object('bootDiagnostics')
  const storageUri = diagnostics.text('storageUri')
  if (storageUri !== undefined && storageUri !== '') {
    diagnostics.unsupported(
      diagnostics.at('storageUri'),
      'Boot diagnostics are stored by the platform: there are no storage accounts.',
      { expected: 'no storageUri', found: storageUri.slice(0, 200), remedy: 'Leave --storage out.' },
    )
  }
  return diagnostics.flag('enabled')
}

const readKey = (fields: Fields): SshKey => ({
  path: fields.text('path') ?? '',
  keyData: (fields.text('keyData') ?? '').trim(),
})

type Note = (path: string, reason: string, remedy: string, rule?: FaqRuleId) => void

/** azurerm sends the profile with every VM, even if it is empty. */
function readApplications(properties: Fields, note: Note): void {
  const applications = properties.object('applicationProfile')
  if (applications.list('galleryApplications', 25).length === 0) return
  note(
    applications.at('galleryApplications'),
    'Gallery applications need an operator’s agent in the guest, and there is none.',
    'Install them inside the guest over SSH, or at its first boot with --custom-data.',
    'S25',
  )
}

/** Members that must not be dropped silently: the VM would differ from the requested one. */
function readUnsupported(properties: Fields): VmRequest['unsupported'] {
  const found: VmRequest['unsupported'] = []
  const note: Note = (path, reason, remedy, rule) =>
    void found.push({ path, reason, remedy, ...(rule !== undefined && { rule }) })
  const storage = properties.object('storageProfile')
  const disk = storage.object('osDisk')
  const os = properties.object('osProfile')
  for (const [index, data] of storage.list('dataDisks', mostOfVm).entries()) {
    const path = `${storage.at('dataDisks')}[${index}]`
    if (data.object('managedDisk').has('securityProfile')) {
      note(
        `${path}.managedDisk.securityProfile`,
        'Confidential encryption covers the OS disk only.',
        'Encrypt data in the guest with dm-crypt and a key from the vault.',
        'S7',
      )
    } else if (data.object('managedDisk').has('diskEncryptionSet')) {
      note(
        `${path}.managedDisk.diskEncryptionSet`,
        'Encryption at rest with a customer’s key is not offered.',
        'Encrypt data in the guest with dm-crypt and a key from the vault.',
        'S7',
      )
    }
  }
  if (disk.has('diffDiskSettings'))
    note(disk.at('diffDiskSettings'), 'Ephemeral OS disks are not offered.', 'Leave diffDiskSettings out.')
  if (disk.object('managedDisk').has('diskEncryptionSet')) {
    note(
      disk.object('managedDisk').at('diskEncryptionSet'),
      'Encryption at rest with a customer’s key is not offered.',
      'Name the set under managedDisk.securityProfile: az vm create --os-disk-secure-vm-disk-encryption-set.',
    )
  }
  const createOption = disk.text('createOption')
  if (createOption !== undefined && createOption.toLowerCase() !== 'fromimage') {
    note(disk.at('createOption'), `An OS disk cannot be created with '${createOption.slice(0, 40)}'.`, 'Use FromImage.')
  }
  if (disk.oneOf('osType', ['Linux', 'Windows']) === 'Windows')
    note(disk.at('osType'), 'Windows guests are not offered.', 'Use a Linux image.')
  if (os.has('windowsConfiguration'))
    note(os.at('windowsConfiguration'), 'Windows guests are not offered.', 'Use linuxConfiguration.')
  for (const name of [
    'host',
    'hostGroup',
    'proximityPlacementGroup',
    'capacityReservation',
    'licenseType',
    'scheduledEventsPolicy',
  ]) {
    if (properties.has(name)) note(properties.at(name), `'${name}' is not offered.`, `Leave ${name} out.`)
  }
  const events = properties.object('scheduledEventsProfile')
  for (const name of ['terminateNotificationProfile', 'osImageNotificationProfile'])
    if (events.has(name)) note(events.at(name), `'${name}' is not offered.`, `Leave ${name} out.`)
  readApplications(properties, note)
  const hardware = properties.object('hardwareProfile')
  if (hardware.has('vmSizeProperties'))
    note(hardware.at('vmSizeProperties'), 'The number of cores is fixed by the size.', 'Use a size with fewer cores.')
  const priority = properties.oneOf('priority', ['Regular', 'Low', 'Spot'])
  if (priority === 'Low' || priority === 'Spot')
    note(properties.at('priority'), 'Spot VMs are not offered.', 'Leave priority out.')
  const capabilities = properties.object('additionalCapabilities')
  for (const name of ['ultraSSDEnabled', 'hibernationEnabled']) {
    if (capabilities.flag(name) === true)
      note(capabilities.at(name), `'${name}' is not offered on confidential VMs.`, `Leave ${name} out.`)
  }
  for (const name of ['nestedVirtualizationEnabled', 'enableNestedVirtualization']) {
    if (capabilities.flag(name) === true)
      note(
        capabilities.at(name),
        'Guests have no VMX or SVM: nested virtualisation is not possible.',
        `Leave ${name} out.`,
        'S26',
      )
  }
  return found
}

/** The network interfaces in a request: all of them, or the existing VM's if it names none. */
function readNics(properties: Fields, existing: VmNic[] | undefined): VmNic[] {
  const profile = properties.object('networkProfile')
  if (!profile.has('networkInterfaces')) return existing ?? []
  const listed = profile.list('networkInterfaces', mostOfVm)
  return listed.map((fields) => {
    const own = fields.object('properties')
    return {
      id: fields.text('id') ?? '',
      deleteOption: own.oneOf('deleteOption', ['Delete', 'Detach']) ?? 'Detach',
      // Clients omit `primary` for a single NIC.
      primary: (own.flag('primary') ?? false) || listed.length === 1,
    }
  })
}
