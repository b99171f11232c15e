import { managementHost } from '@strongroom/contract'

/** Names of the resource manager: Azure's two, and its address here. Clients request tokens under each. */
const aliases: Record<string, string> = {
  [`https://${managementHost}`]: 'https://management.azure.com',
  'https://management.core.windows.net': 'https://management.azure.com',
}

/**
 * Normal form of an audience: no trailing slashes, host in lower case, Azure's old name of the resource manager
 * replaced. Two audiences are the same resource if their normal forms are equal.
 */
export function normaliseAudience(audience: string): string {
  const trimmed = audience.replace(/(?<!\/)\/+$/, '')
  const parts = /^([a-z][a-z0-9+.-]*:\/\/[^/]+)(.*)$/i.exec(trimmed)
  const canonical = parts ? parts[1]!.toLowerCase() + parts[2]! : trimmed
  return aliases[canonical] ?? canonical
}

/**
 * The audience of a v2.0 scope: the resource before exactly one `/.default`, as the client spelt it
 * (`https://management.azure.com//.default` requests an audience with a trailing slash). Undefined if the scope names
 * none, or several.
 */
export function audienceOfScope(scope: string): string | undefined {
  const suffix = '/.default'
  // OpenID's own scopes name no resource.
  const named = scope
    .split(' ')
    .filter((part) => part !== '' && !['openid', 'profile', 'offline_access', 'email'].includes(part))
  const [only] = named
  if (named.length !== 1 || only === undefined || !only.endsWith(suffix)) return undefined
  const audience = only.slice(0, -suffix.length)
  return audience === '' || audience.length > 512 ? undefined : audience
}
