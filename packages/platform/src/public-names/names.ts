import {
  attestationRegionCodes,
  azureSharedHosts,
  domain,
  graphHost,
  loginHost,
  managementHost,
} from '@strongroom/contract'

/**
 * Names of Azure's public cloud that an installation answers in a shell that requested it, with its own equivalents.
 * Vaults and other owner-named hosts are one label below a parent.
 */
type Pair = readonly [publicName: string, own: string]
const hosts: readonly Pair[] = [
  ['management.azure.com', managementHost],
  ['login.microsoftonline.com', loginHost],
  ['graph.microsoft.com', graphHost],
]
const parents: readonly Pair[] = [
  ['vault.azure.net', `vault.${domain}`],
  ['managedhsm.azure.net', `managedhsm.${domain}`],
  ['blob.core.windows.net', `blob.${domain}`],
]
/** Attestation providers' names. A tenant's provider is answered, but its tokens and answers keep its own name. */
const providerParents: readonly Pair[] = attestationRegionCodes.map((code) => [
  `${code}.attest.azure.net`,
  `${code}.attest.${domain}`,
])

/** As in certificates: hosts, and `*.` before a parent. */
export const publicNames: readonly string[] = [
  ...hosts.map(([name]) => name),
  ...[...parents, ...providerParents].map(([name]) => `*.${name}`),
]

/** Unanswered names under these are not forwarded: a client pointed here means no other cloud. */
export const publicDomains: readonly string[] = [
  'azure.com',
  'azure.net',
  'microsoft.com',
  'microsoftonline.com',
  'windows.net',
]

/** Our name for an answered one, for example `kv1.vault.strongroom.internal` for `kv1.vault.azure.net`. */
export function ownHostOf(publicHost: string): string | undefined {
  const name = publicHost.toLowerCase()
  const exact = hosts.find(([host]) => host === name)
  if (exact !== undefined) return exact[1]
  const [, label, parent] = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)\.(.+)$/.exec(name) ?? []
  const own = [...parents, ...providerParents].find(([host]) => host === parent)?.[1]
  return own === undefined ? undefined : `${label}.${own}`
}

/**
 * JSON members whose value is an address or host name here, in answers and in requests. No others are rewritten: a
 * secret's value may be an address.
 */
const addressMembers = [
  'id',
  'kid',
  'sid',
  'cid',
  'recoveryId',
  'nextLink',
  '@odata.nextLink',
  'vaultUri',
  'attestUri',
  'hsmUri',
  'keyUrl',
  'keyUri',
  'keyUriWithVersion',
  'keyIdentifier',
  'secretUrl',
  'accessSAS',
  'securityDataAccessSAS',
  'securityMetadataAccessSAS',
  'sourceUri',
  'securityDataUri',
  'issuer',
  'token_endpoint',
  'authorization_endpoint',
  'device_authorization_endpoint',
  'jwks_uri',
  'tenant_discovery_endpoint',
  'verification_uri',
  'verification_url',
  'cloud_instance_name',
  'preferred_network',
  'preferred_cache',
]
const memberNames = addressMembers.map((name) => name.replace('.', String.raw`\.`)).join('|')
const member = new RegExp(String.raw`("(?:${memberNames})"\s*:\s*"(?:https://)?)([A-Za-z0-9.-]{1,253})(?=["/:?])`, 'g')
const address = /(https:\/\/)([A-Za-z0-9.-]{1,253})(?=["/:?,\s]|$)/gi

/** A text with its names rewritten in one direction; a bare parent is a resource for tokens. */
function renamed(pattern: RegExp, text: string, from: 0 | 1): string {
  const to = from === 0 ? 1 : 0
  const below = from === 0 ? [...parents, ...providerParents] : parents
  return text.replace(pattern, (whole, before: string, host: string) => {
    const name = host.toLowerCase()
    const exact = [...hosts, ...parents, ...azureSharedHosts].find((pair) => pair[from] === name)
    if (exact !== undefined) return before + exact[to]
    const parent = below.find((pair) => name.endsWith(`.${pair[from]}`))
    return parent === undefined ? whole : before + name.slice(0, -parent[from].length) + parent[to]
  })
}

/** JSON (or what a client takes for JSON) from a client with public names, rewritten to ours. */
export const withOwnNames = (json: string): string => renamed(member, json, 0)

/** Our JSON, rewritten to the public names. */
export const withPublicNames = (json: string): string => renamed(member, json, 1)

/** A header with every address rewritten to the public names. */
export const headerWithPublicNames = (text: string): string => renamed(address, text, 1)

/** A request target with the query's addresses rewritten to our names. */
export function targetWithOwnNames(target: string): string {
  const at = target.indexOf('?')
  if (at === -1) return target
  const query = target.slice(at).replaceAll(/https(?:%3A|:)(?:%2F|\/){2}[A-Za-z0-9.-]+/gi, (found) => {
    const changed = renamed(address, decodeURIComponent(found), 0)
    return found.includes('%') ? encodeURIComponent(changed) : changed
  })
  return target.slice(0, at) + query
}
