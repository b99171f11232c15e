import { describe, expect, it } from 'vitest'
import { quoted } from './hcl.ts'
import { terraformText } from './terraform.ts'

const choice = {
  name: 'web',
  group: 'blue',
  region: 'westeurope',
  image: 'Strongroom:debian-13:cvm:latest',
  size: 'Standard_DC2as_v5',
  encryption: 'DiskWithVMGuestState',
  diskEncryptionSet: '',
  adminUsername: 'ana',
  sshPublicKey: 'ssh-ed25519 AAAA ana',
}
const set = '/subscriptions/s/resourceGroups/blue/providers/Microsoft.Compute/diskEncryptionSets/mine'

describe('the same request for Terraform', () => {
  it('has the machine as azurerm’s arguments name it', () => {
    expect(terraformText(choice)).toContain(`resource "azurerm_linux_virtual_machine" "machine" {
  name                  = "web"
  location              = azurerm_resource_group.group.location
  resource_group_name   = azurerm_resource_group.group.name
  size                  = "Standard_DC2as_v5"
  admin_username        = "ana"
  network_interface_ids = [azurerm_network_interface.interface.id]
  vtpm_enabled          = true
  secure_boot_enabled   = true

  admin_ssh_key {
    username   = "ana"
    public_key = "ssh-ed25519 AAAA ana"
  }

  os_disk {
    caching                  = "ReadWrite"
    storage_account_type     = "Premium_LRS"
    security_encryption_type = "DiskWithVMGuestState"
  }

  source_image_reference {
    publisher = "Strongroom"
    offer     = "debian-13"
    sku       = "cvm"
    version   = "latest"
  }

  boot_diagnostics {}
}
`)
  })

  it('refers to nothing that it does not make', () => {
    const text = terraformText(choice) ?? ''
    const made = [...text.matchAll(/^resource "(.*)" "(.*)" \{$/gm)].map(([, type, label]) => `${type}.${label}`)
    const used = [...text.matchAll(/[ [](azurerm_\w+\.\w+)\.(?:id|name|location)\b/g)].map(([, address]) => address)
    expect(made).toHaveLength(8)
    // Nothing else refers to the machine and to what joins interface and rules.
    expect(new Set(used)).toEqual(new Set(made.filter((each) => !/machine$|association$/.test(each))))
  })

  it('names the set of your own key where there is one', () => {
    const text = terraformText({ ...choice, diskEncryptionSet: set })
    expect(text).toContain(`    secure_vm_disk_encryption_set_id = "${set}"\n`)
    expect(terraformText(choice)).not.toContain('secure_vm_disk_encryption_set_id')
  })

  it('is none for an encryption that azurerm refuses', () => {
    expect(terraformText({ ...choice, encryption: 'VMGuestStateOnly' })).toContain('= "VMGuestStateOnly"')
    expect(terraformText({ ...choice, encryption: 'NonPersistedTPM' })).toBeUndefined()
  })

  it('quotes each text of the choice: none adds a line or a template', () => {
    const hostile = '${file("/etc/passwd")}"\n}\nresource "x" "y" {%{ for a in b }\u202E'
    const lines = (terraformText(choice) ?? '').split('\n').length
    for (const name of ['name', 'group', 'region', 'size', 'diskEncryptionSet', 'adminUsername', 'sshPublicKey']) {
      const text = terraformText({ ...choice, diskEncryptionSet: set, [name]: hostile }) ?? ''
      expect(text.split('\n'), name).toHaveLength(lines + 1)
      expect(text, name).toContain(quoted(hostile).slice(1, -1))
      expect(text, name).not.toMatch(/(?<!\$)\$\{|(?<!%)%\{/)
    }
    const image = terraformText({ ...choice, image: [hostile, hostile, hostile, hostile].join(':') }) ?? ''
    expect(image.split(quoted(hostile))).toHaveLength(5)
  })
})
