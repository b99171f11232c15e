import type { TestInstallation } from './running.ts'

const location = 'westeurope'
const sshKey = `ssh-ed25519 ${Buffer.from(`\0\0\0\x0bssh-ed25519\0\0\0\x20${'\x07'.repeat(32)}`).toString('base64')} me`

interface VmWishes {
  name: string
  size: string
  tags?: Record<string, string>
  /** ARM id. */
  availabilitySet?: string
  /** As in its storageProfile. */
  dataDisks?: object[]
  /** ARM id. */
  diskEncryptionSet?: string
}

/** Creates a VM with what it needs, and returns its id once it runs. */
export async function makeVm(installation: TestInstallation, o: VmWishes & { subnetPrefix?: string }): Promise<string> {
  const group = `${installation.subscription}/resourceGroups/rg1`
  const network = `${group}/providers/Microsoft.Network`
  await installation.arm('PUT', group, { location })
  const subnets = [{ name: 'default', properties: { addressPrefix: o.subnetPrefix ?? '10.0.0.0/24' } }]
  const addressSpace = { addressPrefixes: ['10.0.0.0/16'] }
  await installation.arm('PUT', `${network}/virtualNetworks/vnet`, { location, properties: { addressSpace, subnets } })
  const nic = `${network}/networkInterfaces/${o.name}`
  const subnet = { id: `${network}/virtualNetworks/vnet/subnets/default` }
  await installation.arm('PUT', nic, {
    location,
    properties: { ipConfigurations: [{ name: 'ipconfig1', properties: { subnet } }] },
  })
  const vm = `${group}/providers/Microsoft.Compute/virtualMachines/${o.name}`
  await installation.run('PUT', vm, vmBody(o, nic))
  return vm
}

function vmBody(o: VmWishes, nic: string): object {
  const linuxConfiguration = {
    disablePasswordAuthentication: true,
    ssh: { publicKeys: [{ path: '/home/azureuser/.ssh/authorized_keys', keyData: sshKey }] },
  }
  return {
    location,
    ...(o.tags !== undefined && { tags: o.tags }),
    properties: {
      hardwareProfile: { vmSize: o.size },
      ...(o.availabilitySet !== undefined && { availabilitySet: { id: o.availabilitySet } }),
      securityProfile: {
        securityType: 'ConfidentialVM',
        uefiSettings: { secureBootEnabled: true, vTpmEnabled: true },
      },
      storageProfile: {
        imageReference: { publisher: 'Strongroom', offer: 'debian-13', sku: 'cvm', version: 'latest' },
        ...(o.dataDisks !== undefined && { dataDisks: o.dataDisks }),
        osDisk: {
          createOption: 'FromImage',
          managedDisk: {
            securityProfile: {
              securityEncryptionType: 'DiskWithVMGuestState',
              ...(o.diskEncryptionSet !== undefined && { diskEncryptionSet: { id: o.diskEncryptionSet } }),
            },
          },
        },
      },
      osProfile: { computerName: o.name, adminUsername: 'azureuser', linuxConfiguration },
      networkProfile: { networkInterfaces: [{ id: nic }] },
    },
  }
}
