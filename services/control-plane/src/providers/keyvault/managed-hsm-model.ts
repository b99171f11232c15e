import { managedHsmHost, type ManagedHsmDefinition } from '@strongroom/contract'
import { resourceView, type Shown } from '../../arm/resource-view.ts'
import type { Resource, ResourceBody } from '../../store/resources.ts'

export const managedHsmType = 'Microsoft.KeyVault/managedHSMs'

/** The row of a managed HSM. */
export type ManagedHsmSettings = Omit<ManagedHsmDefinition, 'resourceId' | 'location'>

export type ManagedHsmResource = Resource<ManagedHsmSettings>

export function managedHsmBody(name: string, settings: ManagedHsmSettings): ResourceBody {
  return {
    tags: settings.tags,
    sku: { family: 'B', name: 'Standard_B1' },
    properties: {
      tenantId: settings.tenantId,
      initialAdminObjectIds: settings.initialAdminObjectIds,
      hsmUri: `https://${managedHsmHost(name.toLowerCase())}/`,
      enableSoftDelete: true,
      softDeleteRetentionInDays: settings.softDeleteRetentionInDays,
      enablePurgeProtection: settings.enablePurgeProtection,
      publicNetworkAccess: 'Enabled',
      networkAcls: { bypass: 'AzureServices', defaultAction: 'Allow', ipRules: [], virtualNetworkRules: [] },
      provisioningState: 'Succeeded',
      statusMessage: 'The Managed HSM is provisioned and ready to use.',
    },
  }
}

/** `activated` undefined if the key service was not asked. */
export function managedHsmView(resource: Shown, activated?: boolean): Record<string, unknown> {
  const view = resourceView(resource, managedHsmType)
  if (activated === undefined) return view
  const status = activated
    ? {
        activationStatus: 'Active',
        activationStatusMessage: 'Your HSM has been activated and can be used for cryptographic operations.',
      }
    : {
        activationStatus: 'NotActivated',
        activationStatusMessage: 'Download or upload the security domain to activate the HSM.',
      }
  return { ...view, properties: { ...(view['properties'] as object), securityDomainProperties: status } }
}
