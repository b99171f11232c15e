/** Host names of one installation. The same URLs work on the host and inside guests, so an issuer is one string everywhere. */
export const domain = 'strongroom.internal'

export const managementHost: string = `management.${domain}`
export const loginHost: string = `login.${domain}`
export const graphHost: string = `graph.${domain}`
/** The portal's page, for people. */
export const portalHost: string = `portal.${domain}`
/** Where a host answers (control plane to host). */
export const hostApiHost: string = `host.${domain}`
/** Joined hosts' requests, on the address of `--fleet-address`. */
export const fleetHost: string = `fleet.${domain}`
/** Form of a host's name. */
export const hostNameForm: RegExp = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/
/** Endorsements of the silicon, under the paths of AMD's KDS and Intel's PCS. */
export const collateralHost: string = `collateral.${domain}`

/** Of a vault, or of a managed HSM under its vault name. */
export const vaultHost = (name: string): string =>
  name.includes('.') ? `${name}.${domain}` : `${name}.vault.${domain}`
/** Provider shared by all subscriptions of a region, for example `sharedweu.weu.attest.strongroom.internal`. */
export const sharedAttestationHost = (regionCode: string): string =>
  `shared${regionCode}.${regionCode}.attest.${domain}`

export const managementAudience = 'https://management.azure.com/'
export const vaultAudience = 'https://vault.azure.net'
/**
 * The resource in the vaults' challenge: stock clients continue only if a vault's host is below the resource's. Tokens
 * for `vaultAudience` are accepted as well.
 */
export const vaultResource: string = `https://vault.${domain}`
/** Where the resource manager manages the key service's vaults. */
export const vaultManagementHost: string = `keyvault.${domain}`
export const vaultManagementAudience: string = `https://${vaultManagementHost}`
/** Where the resource manager informs the attestation service of providers. */
export const attestationManagementHost: string = `attestation.${domain}`
export const attestationManagementAudience: string = `https://${attestationManagementHost}`
export const hostAudience: string = `https://${hostApiHost}`

/** Audience of tokens for the identity service's operations for platform principals; stated by `identityWire`. */
export const identityAudience = 'https://login.strongroom.internal'

/** Vault that holds the platform-managed keys, one per confidential VM. */
export const platformVault = 'platform'

/** Name of a VM's platform-managed key in the platform vault. */
export const platformKeyName = (vmId: string): string => `vm-${vmId.toLowerCase()}`

/** The reference image, the same with Debian's cloud-init, and a minimal one that is measured, reports and has SSH. */
export const imageVariants = ['reference', 'cloud-init', 'minimal'] as const
export type ImageVariant = (typeof imageVariants)[number]

/** Region of an installation until the operator adds others: its ARM name and its attestation code. */
export const homeRegion = { name: 'westeurope', code: 'weu', displayName: 'West Europe' } as const

/**
 * Azure's attestation codes of an installation's regions. Each region has a shared provider, and host names of tenants'
 * providers contain the code too.
 */
export const attestationRegionCodes: readonly string[] = ['weu', 'neu', 'eus', 'eus2', 'wus3', 'krc', 'ukw']

/** Parents of the installation's host names: one certificate covers all names directly below one of them. */
export const hostParents: readonly string[] = [
  domain,
  ...['vault', 'managedhsm', 'blob', ...attestationRegionCodes.map((code) => `${code}.attest`)].map(
    (kind) => `${kind}.${domain}`,
  ),
]

/** Application ids of the platform's own principals (the first is Azure's, which scripts name). */
export const principals = {
  orchestrator: { appId: 'bf7b6499-ff71-4aa2-97a4-f372087be7f0', displayName: 'Confidential VM Orchestrator' },
  controlPlane: { appId: '5a1e0000-0000-4000-8000-00000000c0de', displayName: 'Strongroom resource manager' },
  attestation: { appId: '5a1e0000-0000-4000-8000-0000000a77e5', displayName: 'Strongroom attestation service' },
} as const

/** The portal's registration at the identity service: a single-page app without a secret. */
export const portalClient = { appId: '5a1e0000-0000-4000-8000-000000009047', displayName: 'Strongroom portal' } as const
/** Where the identity service redirects the portal's browser, below the portal's origin. */
export const portalRedirectPath = '/signed-in'

/**
 * Path under which the portal's own origin leads to a service: `/-/HOST/PATH` is PATH of HOST. So a browser needs
 * neither a proxy nor a second origin, and the portal has no privileges over other clients.
 */
export const forwardPrefix = '/-/'
/** Whether that path leads to the host: only names that clients use, not those that services call each other by. */
export const isForwarded = (host: string): boolean =>
  [managementHost, loginHost, graphHost, collateralHost].includes(host) ||
  /^[a-z0-9-]+\.(vault|managedhsm)\.[a-z.]+$/.test(host) ||
  /^[a-z0-9-]+(\.[a-z0-9]+)?\.attest\.[a-z.]+$/.test(host)

/*
 * Which issuer a token names: the name under which its provider was asked.
 *
 * - The provider's own name, under attest.strongroom.internal. Boots always ask under it, so that a key released to a VM
 *   outlives a shell's settings.
 * - Azure's name of a region's shared provider, while the owner has Azure's public names answered here. Both names have
 *   the same keys and policies.
 *
 * A tenant's provider has only its own name: the one under azure.net may be another tenant's on Azure.
 */

/** Azure's names of the regions' shared providers, each with this installation's. */
export const azureSharedHosts: readonly (readonly [azure: string, own: string])[] = attestationRegionCodes.map(
  (code) => [`shared${code}.${code}.attest.azure.net`, sharedAttestationHost(code)],
)

/** This installation's shared provider for Azure's of the same region; undefined for any other host. */
export const ownSharedHost = (azureHost: string): string | undefined =>
  azureSharedHosts.find(([azure]) => azure === azureHost)?.[1]

/** The same for an issuer: an origin in lower case, without a trailing slash. */
export function ownSharedIssuer(azureIssuer: string): string | undefined {
  const own = azureIssuer.startsWith('https://') ? ownSharedHost(azureIssuer.slice('https://'.length)) : undefined
  return own === undefined ? undefined : `https://${own}`
}

/** What to write instead of an authority that issues no tokens here: one line, for refusals and warnings. */
export function authorityRemedy(authority: string): string {
  const own = ownSharedIssuer(authority)
  if (own === undefined) return `Replace the authority ${authority} by a provider under attest.${domain}.`
  return (
    `Replace the authority ${authority} by ${own}, or let Azure's name mean it: ` +
    'strongroom env --public-names, or STRONGROOM_MAP_AZURE_PROVIDERS=1 for the server.'
  )
}
