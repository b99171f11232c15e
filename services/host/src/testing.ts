import type { InstanceSpec } from '@strongroom/contract'

/** A specification that is accepted, for tests. */
export const exampleSpec: InstanceSpec = {
  vmId: 'F6EDBA93-B1EC-4F77-91E4-027F8E5E0333',
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
  guestStateKey: `https://platform.vault.strongroom.internal/keys/vm-f6edba93-b1ec-4f77-91e4-027f8e5e0333/${'0'.repeat(32)}`,
  attestationProvider: 'https://sharedweu.weu.attest.strongroom.internal',
  tags: {},
}
