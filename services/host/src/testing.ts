import type { InstanceSpec } from '@strongroom/contract'

/** A specification that is accepted, for tests. */
export const exampleSpec: InstanceSpec = {
  vmId: '5A1E0000-0000-4000-8000-0000000007E5',
  resourceId: '/subscriptions/s/resourceGroups/group/providers/Microsoft.Compute/virtualMachines/first',
  name: 'first',
  region: 'westeurope',
  tee: 'SNP',
  size: { name: 'Standard_DC2as_v5', vCPUs: 2, memoryMiB: 8192 },
  security: { encryption: 'DiskWithVMGuestState', secureBoot: true, vTpm: true },
  image: 'debian-13-confidential-000000000000',
  osDisk: { id: 'disk', sizeGiB: 3 },
  osProfile: { computerName: 'first', adminUsername: 'azureuser', sshPublicKeys: ['ssh-ed25519 AAAA'] },
  network: { macAddress: '02-53-52-19-EF-25', privateIpAddress: '10.0.0.4' },
  guestStateKey: `https://platform.vault.strongroom.internal/keys/vm-5a1e0000-0000-4000-8000-0000000007e5/${'0'.repeat(32)}`,
  attestationProvider: 'https://sharedweu.weu.attest.strongroom.internal',
  tags: {},
}
