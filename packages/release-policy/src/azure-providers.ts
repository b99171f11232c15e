import { attestationRegionCodes, sharedAttestationHost } from '@strongroom/contract'
import { normalAuthority } from './authority.ts'

const shared = /^https:\/\/shared([a-z0-9]+)\.([a-z0-9]+)\.attest\.azure\.net$/

/**
 * The provider that this installation shares in the region whose shared provider at Azure the authority is; undefined for any other
 * authority, and for regions that no installation has.
 * @param authority as `normalAuthority` gives it
 * @example
 * import { ownProviderFor } from '@strongroom/release-policy'
 *
 * ownProviderFor('https://sharedweu.weu.attest.azure.net') // => 'https://sharedweu.weu.attest.strongroom.internal'
 * ownProviderFor('https://attest.example.org') // => undefined
 */
export function ownProviderFor(authority: string): string | undefined {
  const [, code = '', zone] = shared.exec(authority) ?? []
  return code === zone && attestationRegionCodes.includes(code) ? `https://${sharedAttestationHost(code)}` : undefined
}

/**
 * The authority whose tokens count for an entry of a release policy: the one that it names, or, where the operator has Azure's shared
 * providers stand for this installation's, that of the same region. Undefined where it names none.
 * @example
 * import { meantAuthority } from '@strongroom/release-policy'
 *
 * meantAuthority('https://sharedeus.eus.attest.azure.net/', { mapsAzureProviders: false }) // => 'https://sharedeus.eus.attest.azure.net'
 * meantAuthority('https://sharedeus.eus.attest.azure.net/', { mapsAzureProviders: true }) // => 'https://sharedeus.eus.attest.strongroom.internal'
 */
export function meantAuthority(authority: string, o: { mapsAzureProviders: boolean }): string | undefined {
  const normal = normalAuthority(authority)
  return normal !== undefined && o.mapsAzureProviders ? (ownProviderFor(normal) ?? normal) : normal
}
