import { sharedAttestationHost, type AttestationTrustModel } from '@strongroom/contract'
import { resourceView, type Shown } from '../../arm/resource-view.ts'
import type { Region } from '../../arm/regions.ts'
import { attestationProviderType } from '../../types/references.ts'
import type { Json } from '../../store/resources.ts'

export const providerType: string = attestationProviderType

/** Properties of a provider as clients see them (facts section 5.7). */
export function providerProperties(o: { trustModel: AttestationTrustModel; attestUri: string }): Json {
  return {
    trustModel: o.trustModel,
    status: 'Ready',
    attestUri: o.attestUri,
    publicNetworkAccess: 'Enabled',
    privateEndpointConnections: [],
    tpmAttestationAuthentication: 'Disabled',
  }
}

export const providerView = (resource: Shown): Record<string, unknown> => resourceView(resource, providerType)

/** The provider shared by a region's subscriptions: nobody's resource, so its id has no subscription. */
export function defaultProviderView(region: Region): Record<string, unknown> {
  const name = `shared${region.code}`
  return {
    id: `/providers/${providerType}/${name}`,
    name,
    type: providerType,
    location: region.displayName,
    properties: providerProperties({ trustModel: 'AAD', attestUri: `https://${sharedAttestationHost(region.code)}` }),
  }
}
