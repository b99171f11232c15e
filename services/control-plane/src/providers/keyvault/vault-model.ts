import { vaultHost, type VaultAccessPolicy, type VaultDefinition, type VaultNetworkRules } from '@strongroom/contract'
import { resourceView, type Shown } from '../../arm/resource-view.ts'
import type { Json, Resource, ResourceBody } from '../../store/resources.ts'

export const vaultType = 'Microsoft.KeyVault/vaults'

/** The row of a vault: its definition, without role-based access. */
export type VaultSettings = Omit<VaultDefinition, 'grants' | 'resourceId' | 'location'>

export type VaultResource = Resource<VaultSettings>

/** The resource's body from its settings. */
export function vaultBody(name: string, settings: VaultSettings): ResourceBody {
  const { resource } = settings
  return {
    tags: resource.tags,
    properties: {
      sku: { family: 'A', name: settings.sku },
      tenantId: settings.tenantId,
      accessPolicies: settings.accessPolicies,
      enabledForDeployment: resource.enabledForDeployment,
      enabledForDiskEncryption: resource.enabledForDiskEncryption,
      enabledForTemplateDeployment: resource.enabledForTemplateDeployment,
      enableSoftDelete: true,
      softDeleteRetentionInDays: settings.softDeleteRetentionInDays,
      enableRbacAuthorization: settings.enableRbacAuthorization,
      // Azure shows it only if it is on.
      ...(settings.enablePurgeProtection && { enablePurgeProtection: true }),
      publicNetworkAccess: settings.publicNetworkAccess,
      networkAcls: networkView(settings.networkRules),
      vaultUri: `https://${vaultHost(name.toLowerCase())}/`,
      provisioningState: 'Succeeded',
    },
  }
}

export function vaultView(resource: Shown): Record<string, unknown> {
  return resourceView(resource, vaultType)
}

/** Settings of a vault that the key service still has, for its recovery. */
export function settingsOf(definition: VaultDefinition): VaultSettings {
  const { grants: _grants, resourceId: _id, location: _location, ...settings } = definition
  return settings
}

export function samePolicyHolder(a: VaultAccessPolicy, b: VaultAccessPolicy): boolean {
  return a.objectId === b.objectId && a.applicationId === b.applicationId && a.tenantId === b.tenantId
}

function networkView(rules: VaultNetworkRules): Json {
  return {
    bypass: rules.bypass,
    defaultAction: rules.defaultAction,
    ipRules: rules.ipRules.map((value) => ({ value })),
    virtualNetworkRules: [],
  }
}
