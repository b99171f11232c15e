import type { InstanceSpec } from '@strongroom/contract'
import {
  createSealer,
  openAuthority,
  openInstallation,
  systemClock,
  type InstallationAuthority,
} from '@strongroom/platform'

export { assertMapped } from './firmware/mapped-firmware.ts'
export { flashOf } from './firmware/uefi-variables.ts'
export { settledBy } from './expected/settings.ts'
export { consentVendor, readConsent, stateVariable } from './variables/variable-consent.ts'
export { exchanged } from './vmgs/exchanged.ts'
export { admitBoots, type AdmittedBoots, type DiskKey } from './tpm/disk-key.ts'

/** A valid specification, for tests. */
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
  settings: 'Requested',
  tags: {},
}

/** The certification authority of an installation in `stateDir`. */
export async function testAuthority(stateDir: string): Promise<InstallationAuthority> {
  const { installation } = await openInstallation({ stateDir })
  const sealer = createSealer(new Uint8Array(32).fill(7))
  return await openAuthority({ stateDir, sealer, clock: systemClock, installation })
}
