import { domain, loginHost, managementAudience, managementHost, referenceImageUrn } from '@strongroom/contract'

/** What `az cloud register` reads: one object, not a list. Requires no token; nothing in it is secret. */
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

/** Azure's aliases: none of their images is available, and using one reports what is, rather than what an alias is. */
const azureAliases: Record<string, [publisher: string, offer: string, sku: string]> = {
  Ubuntu2204: ['Canonical', '0001-com-ubuntu-server-jammy', '22_04-lts-gen2'],
  Ubuntu2404: ['Canonical', 'ubuntu-24_04-lts', 'server'],
  Debian11: ['Debian', 'debian-11', '11-gen2'],
  Debian12: ['Debian', 'debian-12', '12-gen2'],
  RHELRaw8LVMGen2: ['RedHat', 'RHEL', '8-lvm-gen2'],
  OpenSuseLeap154Gen2: ['SUSE', 'opensuse-leap-15-4', 'gen2'],
  SuseSles15SP5: ['SUSE', 'sles-15-sp5', 'gen2'],
  FlatcarLinuxFreeGen2: ['kinvolk', 'flatcar-container-linux-free', 'stable-gen2'],
}

/** Short names of images, as `az vm create --image` accepts them. */
export function aliasDocument(): Record<string, unknown> {
  const latest = { version: 'latest', architecture: 'x64' }
  const azure = Object.entries(azureAliases).map(
    ([alias, [publisher, offer, sku]]) => [alias, { publisher, offer, sku, ...latest }] as const,
  )
  const Linux = { Debian13Cvm: { ...referenceImageUrn, ...latest }, ...Object.fromEntries(azure) }
  return { outputs: { aliases: { value: { Linux } } } }
}
