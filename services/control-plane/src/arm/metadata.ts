import { domain, loginHost, managementAudience, managementHost, referenceImageUrn } from '@strongroom/contract'

/** What `az cloud register` reads: one object, not a list. No token is needed, nothing in it is secret. */
export function metadataDocument(tenantId: string): Record<string, unknown> {
  return {
    name: 'Strongroom',
    portal: `https://portal.${domain}`,
    resourceManager: `https://${managementHost}`,
    authentication: {
      loginEndpoint: `https://${loginHost}`,
      audiences: [managementAudience, 'https://management.core.windows.net/'],
      tenant: tenantId,
      identityProvider: 'AAD',
    },
    graph: `https://graph.${domain}/`,
    graphAudience: `https://graph.${domain}/`,
    microsoftGraphResourceId: `https://graph.${domain}/`,
    vmImageAliasDoc: `https://${managementHost}/aliases.json`,
    attestationResourceId: 'https://attest.azure.net',
    suffixes: {
      keyVaultDns: `vault.${domain}`,
      mhsmDns: `managedhsm.${domain}`,
      attestationEndpoint: `attest.${domain}`,
      storage: `storage.${domain}`,
    },
  }
}

/** Short names of images, as `az vm create --image` takes them. */
export function aliasDocument(): Record<string, unknown> {
  const Debian13Cvm = { ...referenceImageUrn, version: 'latest', architecture: 'x64' }
  return { outputs: { aliases: { value: { Linux: { Debian13Cvm } } } } }
}
