import { describe, expect, it } from 'vitest'
import { terraformText } from '../../apps/portal/src/make/terraform.ts'
import { sshKeyData } from './conversations/keys.ts'
import type { Json } from './conversations/replay.ts'
import { terraform } from './conversations/terraform.ts'

const subscription = '/subscriptions/s'
const about = { subscription, tenantId: 't', group: `${subscription}/resourceGroups/blue`, vault: 'kv', objectId: 'o' }

describe('the portal’s text for Terraform', () => {
  it.each(terraform)('has the values that $name sends for such a machine', (conversation) => {
    const sent = (type: string): Json =>
      conversation.calls(about).find(({ method, path }) => method === 'PUT' && path.includes(`/${type}/`))?.body
    const { location, properties } = sent('virtualMachines')
    const { hardwareProfile, osProfile, securityProfile, storageProfile } = properties
    const { osDisk, imageReference } = storageProfile
    const image = ['publisher', 'offer', 'sku', 'version'].map((part) => imageReference[part]).join(':')
    const text = terraformText({
      name: osProfile.computerName,
      group: 'blue',
      region: location,
      image,
      size: hardwareProfile.vmSize,
      encryption: osDisk.managedDisk.securityProfile.securityEncryptionType,
      diskEncryptionSet: '',
      adminUsername: osProfile.adminUsername,
      sshPublicKey: sshKeyData,
    })
    const [{ properties: rule }] = sent('networkSecurityGroups').properties.securityRules
    const ip = sent('publicIPAddresses')
    const lines = (text ?? '').split('\n').map((line) => line.trim().replace(/ += /, ' = '))
    const expected: [string, unknown][] = [
      ['name', osProfile.computerName],
      ['location', location],
      ['size', hardwareProfile.vmSize],
      ['admin_username', osProfile.adminUsername],
      ['username', osProfile.adminUsername],
      ['public_key', osProfile.linuxConfiguration.ssh.publicKeys[0].keyData],
      ['vtpm_enabled', securityProfile.uefiSettings.vTpmEnabled],
      ['secure_boot_enabled', securityProfile.uefiSettings.secureBootEnabled],
      ['caching', osDisk.caching],
      ['storage_account_type', osDisk.managedDisk.storageAccountType],
      ['security_encryption_type', osDisk.managedDisk.securityProfile.securityEncryptionType],
      ...Object.entries(imageReference),
      ['sku', ip.sku.name],
      ['allocation_method', ip.properties.publicIPAllocationMethod],
      ['protocol', rule.protocol],
      ['access', rule.access],
      ['direction', rule.direction],
      ['source_address_prefix', rule.sourceAddressPrefix],
      ['destination_port_range', rule.destinationPortRange],
    ]
    expect(lines).toEqual(expect.arrayContaining(expected.map(([name, value]) => `${name} = ${JSON.stringify(value)}`)))
  })
})
