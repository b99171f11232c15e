/** Host names of one installation. The same URLs hold on the host and inside guests, so an issuer is one string everywhere. */
export const domain = 'strongroom.internal'

export const managementHost: string = `management.${domain}`
export const loginHost: string = `login.${domain}`
export const graphHost: string = `graph.${domain}`
/** The page on which a person sees and makes things. */
export const portalHost: string = `portal.${domain}`
/** What a host answers on (control plane to host). */
export const hostApiHost: string = `host.${domain}`
/** What joined hosts ask, on the address of `--fleet-address`. */
export const fleetHost: string = `fleet.${domain}`
/** What a name of a host is made of. */
export const hostNameForm: RegExp = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/
/** Endorsements of the silicon, under the paths of AMD's KDS and Intel's PCS. */
export const collateralHost: string = `collateral.${domain}`

/** Of a vault, or of a managed HSM under the name that it has among vaults. */
export const vaultHost = (name: string): string =>
  name.includes('.') ? `${name}.${domain}` : `${name}.vault.${domain}`
/** Provider shared by all subscriptions of a region, for example `sharedweu.weu.attest.strongroom.internal`. */
export const sharedAttestationHost = (regionCode: string): string =>
  `shared${regionCode}.${regionCode}.attest.${domain}`

export const managementAudience = 'https://management.azure.com/'
export const vaultAudience = 'https://vault.azure.net'
/**
 * What the vaults' challenge names as their resource: stock clients go on only where a vault's host lies under the
 * resource's. Tokens for `vaultAudience` count as well.
 */
export const vaultResource: string = `https://vault.${domain}`
/** Where the resource manager tells the key service of vaults. */
export const vaultManagementHost: string = `keyvault.${domain}`
export const vaultManagementAudience: string = `https://${vaultManagementHost}`
export const hostAudience: string = `https://${hostApiHost}`

/** Vault that holds the platform-managed keys, one per confidential VM. */
export const platformVault = 'platform'

/** Name of a VM's platform-managed key in the platform vault. */
export const platformKeyName = (vmId: string): string => `vm-${vmId.toLowerCase()}`

/** Region of an installation until the operator adds others: its ARM name and its attestation code. */
export const homeRegion = { name: 'westeurope', code: 'weu', displayName: 'West Europe' } as const

/**
 * Azure's attestation codes of the regions that an installation has. Each region shares a provider of its own, and hosts of
 * tenants' providers carry the code too.
 */
export const attestationRegionCodes: readonly string[] = ['weu', 'neu', 'eus', 'eus2', 'wus3', 'krc', 'ukw']

/** What lies over the installation's host names: one certificate stands for all names right below one of them. */
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

/** The portal as the identity service registers it: a single-page app, which has no secret. */
export const portalClient = { appId: '5a1e0000-0000-4000-8000-000000009047', displayName: 'Strongroom portal' } as const
/** Where the identity service sends the portal's browser back to, below the portal's origin. */
export const portalRedirectPath = '/signed-in'

/**
 * Path under which the portal's own origin leads to a service: `/-/HOST/PATH` is PATH of HOST. A browser needs neither a proxy nor a
 * second origin then, and the portal has nothing that other clients have not.
 */
export const forwardPrefix = '/-/'
/** Whether that path leads to the host: the names that clients use, and no name that services call each other by. */
export const isForwarded = (host: string): boolean =>
  [managementHost, loginHost, graphHost, collateralHost].includes(host) ||
  /^[a-z0-9-]+\.(vault|managedhsm)\.[a-z.]+$/.test(host) ||
  /^[a-z0-9-]+(\.[a-z0-9]+)?\.attest\.[a-z.]+$/.test(host)
