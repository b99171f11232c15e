import type { Choice } from './choice.ts'
import { block, Reference, type Body } from './hcl.ts'
import { networkOf } from './template.ts'

const head = `# What is there already (a group, a network) is taken over first: terraform import ADDRESS ID
terraform {
  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.0"
    }
  }
}

# The subscription is the one of ARM_SUBSCRIPTION_ID.
provider "azurerm" {
  features {}
}`

/** Values of azurerm's `os_disk.security_encryption_type`. */
const encryptions = ['DiskWithVMGuestState', 'VMGuestStateOnly']

/** An ARM property as azurerm names it. */
const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/**
 * The equivalent Terraform, with azurerm's arguments (documentation of `azurerm_linux_virtual_machine` and the other
 * resources).
 * @returns undefined if azurerm has no value for the disk's encryption: it lacks NonPersistedTPM
 */
export function terraformText(choice: Choice): string | undefined {
  if (!encryptions.includes(choice.encryption)) return undefined
  const resources = Object.entries(resourcesOf(choice))
  return [head, ...resources.map(([address, body]) => block(headOf(address), body))].join('\n\n') + '\n'
}

function headOf(address: string): string {
  const [type, label] = address.split('.')
  return `resource "${type}" "${label}"`
}

/** By address, in dependency order. */
function resourcesOf(choice: Choice): Record<string, Body> {
  const { name, region, group } = choice
  const network = networkOf(choice)
  const of = (address: string): Reference => new Reference(address)
  const place = {
    location: of('azurerm_resource_group.group.location'),
    resource_group_name: of('azurerm_resource_group.group.name'),
  }
  const rule = Object.fromEntries(Object.entries(network.rule).map(([key, value]) => [snake(key), value]))
  const [publisher = '', offer = '', sku = '', version = ''] = choice.image.split(':')
  return {
    'azurerm_resource_group.group': { name: group, location: region },
    'azurerm_network_security_group.security': {
      name: network.securityGroup,
      ...place,
      security_rule: { name: network.ruleName, ...rule },
    },
    'azurerm_virtual_network.network': {
      name: network.network,
      ...place,
      address_space: [network.addressSpace],
    },
    'azurerm_subnet.subnet': {
      name: network.subnet,
      resource_group_name: place.resource_group_name,
      virtual_network_name: of('azurerm_virtual_network.network.name'),
      address_prefixes: [network.subnetPrefix],
    },
    'azurerm_public_ip.address': {
      name: network.address,
      ...place,
      sku: 'Standard',
      allocation_method: 'Static',
    },
    'azurerm_network_interface.interface': {
      name: network.interface,
      ...place,
      ip_configuration: {
        name: network.configuration,
        subnet_id: of('azurerm_subnet.subnet.id'),
        private_ip_address_allocation: 'Dynamic',
        public_ip_address_id: of('azurerm_public_ip.address.id'),
      },
    },
    'azurerm_network_interface_security_group_association.association': {
      network_interface_id: of('azurerm_network_interface.interface.id'),
      network_security_group_id: of('azurerm_network_security_group.security.id'),
    },
    'azurerm_linux_virtual_machine.machine': {
      name,
      ...place,
      size: choice.size,
      admin_username: choice.adminUsername,
      network_interface_ids: [of('azurerm_network_interface.interface.id')],
      vtpm_enabled: true,
      secure_boot_enabled: true,
      admin_ssh_key: { username: choice.adminUsername, public_key: choice.sshPublicKey },
      os_disk: {
        // azurerm requires both; they are the service's defaults.
        caching: 'ReadWrite',
        storage_account_type: 'Premium_LRS',
        security_encryption_type: choice.encryption,
        ...(choice.diskEncryptionSet !== '' && { secure_vm_disk_encryption_set_id: choice.diskEncryptionSet }),
      },
      source_image_reference: { publisher, offer, sku, version },
      boot_diagnostics: {},
    },
  }
}
