/** A test file, and a part of the name of the test in it. */
export type Shown = readonly [file: string, test: string]

/**
 * The test that shows what a resource of each type changes in a guest, host, key or decision. A type that changes none is
 * refused by name (arm/substitutes.ts) or listed in `storedOnly` of packages/contract.
 */
export const effects: Readonly<Record<string, Shown>> = {
  'Microsoft.Attestation/attestationProviders': [
    'test/system/provider-at-start.slow.test.ts',
    'starts a VM whose owner named a provider on that provider’s word alone',
  ],
  'Microsoft.Authorization/locks': [
    'services/control-plane/src/arm/locks.test.ts',
    'of deletion hold deletions at their scope',
  ],
  'Microsoft.Authorization/roleAssignments': [
    'apps/strongroomd/src/vaults.test.ts',
    'open by role assignment, and are shut when it is removed',
  ],
  'Microsoft.Authorization/roleDefinitions': [
    'services/control-plane/src/resources/access.test.ts',
    'allow what they say, where they are given',
  ],
  'Microsoft.Compute/availabilitySets': [
    'apps/strongroomd/src/fleet-placing.test.ts',
    'go to different hosts while there are such',
  ],
  'Microsoft.Compute/diskEncryptionSets': [
    'test/system/customer-key.long.test.ts',
    'boots, and its trust report names the key and the vault that opened it',
  ],
  'Microsoft.Compute/disks': ['test/system/data-disks.long.test.ts', 'come and go by their LUN, grow'],
  'Microsoft.Compute/galleries': ['test/system/gallery.long.test.ts', 'passes into two VMs'],
  'Microsoft.Compute/galleries/images': ['test/system/gallery.long.test.ts', 'passes into two VMs'],
  'Microsoft.Compute/galleries/images/versions': ['test/system/gallery.long.test.ts', 'passes into two VMs'],
  'Microsoft.Compute/images': ['test/clients/az-gallery.slow.test.ts', '--managed-image'],
  'Microsoft.Compute/snapshots': ['test/system/gallery.long.test.ts', 'gives a snapshot and a specialised version'],
  'Microsoft.Compute/virtualMachineScaleSets': [
    'services/control-plane/src/placement/scale-set/scale-sets.test.ts',
    'makes confidential VMs of its profile',
  ],
  'Microsoft.Compute/virtualMachines': ['test/system/boot.test.ts', 'is running and provisioned when create returns'],
  'Microsoft.Compute/virtualMachines/extensions': [
    'services/control-plane/src/providers/compute/vm/run-command/run-command.test.ts',
    'are none: one is not found',
  ],
  'Microsoft.Compute/virtualMachines/runCommands': [
    'services/host/src/image/commands.test.ts',
    'runs in the boot that it names, with what it prints',
  ],
  'Microsoft.KeyVault/managedHSMs': [
    'apps/strongroomd/src/managed-hsm.test.ts',
    'is made by the resource manager, activated, used',
  ],
  'Microsoft.KeyVault/vaults': ['apps/strongroomd/src/vaults.test.ts', 'sign, verify, encrypt, decrypt'],
  'Microsoft.KeyVault/vaults/accessPolicies': [
    'services/control-plane/src/providers/keyvault/vault-routes.test.ts',
    'are added, replaced and removed, each as it is called',
  ],
  'Microsoft.KeyVault/vaults/keys': ['apps/strongroomd/src/template-keys.test.ts', 'makes them in the key service'],
  'Microsoft.KeyVault/vaults/secrets': ['apps/strongroomd/src/template-keys.test.ts', 'makes them in the key service'],
  'Microsoft.Maintenance/configurationAssignments': [
    'apps/strongroomd/src/fleet-maintenance.test.ts',
    'keeps it until the window of the maintenance configuration that it follows',
  ],
  'Microsoft.Maintenance/maintenanceConfigurations': [
    'apps/strongroomd/src/fleet-maintenance.test.ts',
    'keeps it until the window of the maintenance configuration that it follows',
  ],
  'Microsoft.ManagedIdentity/userAssignedIdentities': [
    'test/system/guest-health.slow.test.ts',
    'is tokens of its user-assigned identity',
  ],
  'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials': [
    'apps/strongroomd/src/federated-identity.test.ts',
    'let an outer token act by its roles',
  ],
  'Microsoft.Network/networkInterfaces': [
    'test/system/guest-health.slow.test.ts',
    'is its network interfaces, by their MAC addresses, each with its own private address',
  ],
  'Microsoft.Quota/quotas': [
    'services/control-plane/src/providers/compute/size/quota-requests.test.ts',
    'are granted by the operator, and what was refused before is made',
  ],
  'Microsoft.Resources/deployments': ['services/control-plane/src/templates/deployments.test.ts', 'makes a VM'],
  'Microsoft.Resources/resourceGroups': ['test/system/boot.test.ts', 'nothing of either is left after delete'],
  'Microsoft.Resources/tags': [
    'services/control-plane/src/providers/billing/billing.test.ts',
    'tells cost by VM, group and tag, as the tags were at the time',
  ],
  'Microsoft.Resources/templateSpecs': ['services/control-plane/src/templates/scopes.test.ts', 'is deployed by its id'],
  'Microsoft.Resources/templateSpecs/versions': [
    'services/control-plane/src/templates/scopes.test.ts',
    'is deployed by its id',
  ],
  'Strongroom.Billing/priceSheet': [
    'services/control-plane/src/providers/billing/billing.test.ts',
    'counts cores while they are allocated',
  ],
  'Strongroom.Fleet/hosts': ['services/control-plane/src/fleet/registry.test.ts', 'drains, resumes and removes a host'],
}
