import { list, subscriptionPath, versions } from '../wire/arm.ts'
import { isProviderHost } from '../decisions/decisions.ts'

/** An attestation provider: a region's shared one, or your own. */
export interface Provider {
  name: string
  location: string
  host: string
  trustModel: string
  shared: boolean
}

interface ProviderResource {
  name: string
  location: string
  properties: { attestUri: string; trustModel: string }
}

function providerOf({ name, location, properties }: ProviderResource, shared: boolean): Provider[] {
  const { host } = new URL(properties.attestUri)
  return isProviderHost(host) ? [{ name, location, host, trustModel: properties.trustModel, shared }] : []
}

/** Your own first. @throws WireError */
export async function readProviders(signal: AbortSignal): Promise<Provider[]> {
  const base = `${await subscriptionPath()}/providers/Microsoft.Attestation`
  const [own, shared] = await Promise.all([
    list<ProviderResource>(`${base}/attestationProviders`, versions.attestation, signal),
    list<ProviderResource>(`${base}/defaultProviders`, versions.attestation, signal),
  ])
  return [...own.flatMap((each) => providerOf(each, false)), ...shared.flatMap((each) => providerOf(each, true))]
}
