import { imageText } from '@strongroom/contract'
import { unchangeable } from '../../../arm/refusals.ts'
import type { FaqRuleId } from '../../../arm/faq-rule.ts'
import type { Problem } from '../../../arm/fields.ts'
import { isConversion } from './conversion/conversion-rules.ts'
import { findSize, type Size } from '../size/sizes.ts'
import { type VmModel } from './model/vm-model.ts'
import type { VmRequest } from './model/requested-vm.ts'

/** Names of the properties that differ and are allowed to. */
export function changedProperties(before: VmModel, after: VmModel): string[] {
  const view = (m: VmModel): Record<string, unknown> => ({
    tags: Object.entries(m.tags).toSorted(([a], [b]) => a.localeCompare(b)),
    'hardwareProfile.vmSize': m.vmSize,
    'securityProfile.uefiSettings.secureBootEnabled': m.secureBoot,
    'securityProfile.encryptionAtHost': m.encryptionAtHost,
    'securityProfile.firmwareUpdates': m.firmwareUpdates ?? 'Listed',
    // Each as a text, because members are in the order in which a disk acquired them.
    'storageProfile.dataDisks': (m.dataDisks ?? [])
      .map(({ lun, name, id, createOption, deleteOption, caching, storageAccountType }) =>
        [lun, name, id?.toLowerCase(), createOption, deleteOption, caching, storageAccountType].join(' '),
      )
      .toSorted(),
    identity: [m.systemAssigned === true, ...(m.userAssigned ?? []).map(({ clientId }) => clientId).toSorted()],
    userData: m.userData ?? '',
    scheduledEventsProfile: m.moveNotice ?? 0,
    diagnosticsProfile: m.bootDiagnostics === true,
    'osProfile.allowExtensionOperations': m.osProfile.allowExtensionOperations === true,
    'networkProfile.networkInterfaces': m.nics
      .map(({ id, primary }) => [id.toLowerCase(), primary])
      .toSorted(([a], [b]) => String(a).localeCompare(String(b))),
    'networkProfile.deleteOptions': m.nics.map(({ id, deleteOption }) => [id.toLowerCase(), deleteOption]),
  })
  const [old, now] = [view(before), view(after)]
  return Object.keys(old).filter((name) => JSON.stringify(old[name]) !== JSON.stringify(now[name]))
}

/** Forbidden changes in a request: encryption, image, account and location are fixed at creation. */
export function updateProblems(before: VmModel, r: VmRequest): Problem[] {
  const problems: Problem[] = []
  const fixed = (path: string, old: string, given: string, rule?: FaqRuleId): void => {
    if (old.toLowerCase() === given.toLowerCase()) return
    problems.push(
      unchangeable(path, {
        expected: old.slice(0, 120),
        found: given.slice(0, 120),
        remedy: 'Create a new virtual machine.',
        ...(rule !== undefined && { rule }),
      }),
    )
  }
  fixed('location', before.location, r.location)
  fixed('securityProfile.securityType', before.securityType, r.securityType ?? before.securityType, 'S18')
  fixed(
    'storageProfile.osDisk.managedDisk.securityProfile.securityEncryptionType',
    before.encryption ?? 'none',
    r.encryption ?? before.encryption ?? 'none',
    before.encryption === undefined ? 'S18' : 'S16',
  )
  fixed(
    'storageProfile.osDisk.managedDisk.securityProfile.diskEncryptionSet.id',
    before.diskEncryptionSet?.id ?? 'none',
    r.diskEncryptionSetId ?? 'none',
    'S16',
  )
  fixed('securityProfile.uefiSettings.vTpmEnabled', String(before.vTpm), String(r.vTpm ?? before.vTpm))
  fixed('storageProfile.imageReference', imageText(before.image), imageText(r.image ?? before.image))
  fixed('storageProfile.osDisk.name', before.osDisk.name, r.osDisk.name ?? before.osDisk.name)
  fixed(
    'storageProfile.osDisk.diskSizeGB',
    String(before.osDisk.sizeGiB),
    String(r.osDisk.sizeGiB ?? before.osDisk.sizeGiB),
  )
  fixed(
    'osProfile.computerName',
    before.osProfile.computerName,
    r.osProfile.computerName ?? before.osProfile.computerName,
  )
  fixed(
    'osProfile.adminUsername',
    before.osProfile.adminUsername,
    r.osProfile.adminUsername ?? before.osProfile.adminUsername,
  )
  // Neither value is shown: it may contain a secret.
  if (before.osProfile.customData !== r.osProfile.customData)
    fixed('osProfile.customData', 'the data at creation', 'other data')
  const off = before.osProfile.password === undefined
  fixed(
    'osProfile.linuxConfiguration.disablePasswordAuthentication',
    String(off),
    String(r.osProfile.disablePassword ?? off),
  )
  const agent = before.osProfile.provisionVMAgent === true
  fixed('osProfile.linuxConfiguration.provisionVMAgent', String(agent), String(r.osProfile.provisionVMAgent ?? agent))
  const keys = (list: VmModel['osProfile']['sshKeys']): string => list.map((key) => key.keyData).join('\n')
  if (keys(before.osProfile.sshKeys) !== keys(r.osProfile.sshKeys)) {
    fixed('linuxConfiguration.ssh.publicKeys', 'the keys at creation', 'other keys')
  }
  fixed('zones', before.zones.join(','), r.zones.join(','))
  fixed('availabilitySet.id', before.availabilitySet?.id ?? 'none', r.availabilitySetId ?? 'none')
  fixed('virtualMachineScaleSet.id', before.scaleSet?.id ?? 'none', r.scaleSetId ?? 'none')
  const provider = before.attestationProvider?.id ?? 'the region’s shared provider'
  fixed('securityProfile.attestationProvider.id', provider, r.attestationProviderId ?? provider)
  return [...problems, ...sizeProblems(before, r)]
}

function sizeProblems(before: VmModel, r: VmRequest): Problem[] {
  const [old, now] = [findSize(before.vmSize), findSize(r.vmSize ?? '')]
  if (old === undefined || now === undefined || old.name === now.name) return []
  const target = 'hardwareProfile.vmSize'
  const remedy = 'Create a new virtual machine of that size.'
  if ((old.tee === undefined) !== (now.tee === undefined)) {
    const kind = (size: Size): string => (size.tee === undefined ? 'ordinary' : 'confidential')
    return [
      {
        code: 'OperationNotAllowed',
        status: 409,
        message:
          `Unable to resize the VM from '${old.name}' to '${now.name}': a VM cannot change between confidential and ` +
          'not confidential.',
        target,
        expected: `a size that is ${kind(old)}`,
        found: `${now.name}, which is ${kind(now)}`,
        remedy,
        rule: 'S18',
      },
    ]
  }
  // Conversion needs the VM's image and is checked in vm-conversion.ts.
  if (isConversion(old, now)) return []
  if (old.tempGiB > 0 !== now.tempGiB > 0) {
    return [
      {
        code: 'OperationNotAllowed',
        status: 409,
        message:
          'Unable to resize the VM since changing from resource disk to non-resource disk VM size and vice-versa is ' +
          'not allowed. Please refer to https://aka.ms/AAah4sj for more details.',
        target,
        expected: old.name,
        found: now.name,
        remedy,
      },
    ]
  }
  return []
}
