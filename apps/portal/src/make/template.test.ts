import { describe, expect, it } from 'vitest'
import { azCommands, bicepText, groupTemplate } from './template.ts'

const choice = {
  name: 'web',
  group: 'blue',
  region: 'westeurope',
  image: 'Strongroom:debian-13:cvm:latest',
  size: 'Standard_DC2as_v5',
  encryption: 'DiskWithVMGuestState',
  diskEncryptionSet: '',
  adminUsername: 'ana',
  sshPublicKey: "ssh-ed25519 AAAA it's ${mine}",
}

describe('the same request as text', () => {
  it('quotes what a person typed, for a shell and for Bicep', () => {
    expect(azCommands(choice)).toContain("--ssh-key-values 'ssh-ed25519 AAAA it'\\''s ${mine}'")
    const group = 'a$(id) b'
    expect(azCommands({ ...choice, group })).toContain("-g 'a$(id) b' -n web -l westeurope")
    expect(bicepText(choice)).toContain("keyData: 'ssh-ed25519 AAAA it\\'s \\${mine}'")
  })

  it('refers to resources of the template, each made after what it needs', () => {
    const text = bicepText(choice)
    for (const symbol of [
      'networkSecurityGroup',
      'virtualNetwork',
      'publicIPAddress',
      'networkInterface',
      'virtualMachine',
    ])
      expect(text).toMatch(new RegExp(`^resource ${symbol} '`, 'm'))
    expect(text).toMatch(/dependsOn: \[\n {4}networkSecurityGroup\n {4}virtualNetwork\n {4}publicIPAddress\n {2}\]/)
    expect(JSON.stringify(groupTemplate(choice))).toContain(
      "[resourceId('Microsoft.Network/networkInterfaces', 'webVMNic')]",
    )
  })
})
