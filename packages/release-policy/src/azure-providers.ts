import { ownSharedIssuer } from '@strongroom/contract'
import { normalAuthority } from './authority.ts'

/**
 * This installation's shared provider for the region whose Azure shared provider is given; undefined for any other
 * authority, and for unknown regions.
 * @param authority as returned by `normalAuthority`
 * @example
 * import { ownProviderFor } from '@strongroom/release-policy'
 *
 * ownProviderFor('https://sharedweu.weu.attest.azure.net') // => 'https://sharedweu.weu.attest.strongroom.internal'
 * ownProviderFor('https://attest.example.org') // => undefined
 */
export function ownProviderFor(authority: string): string | undefined {
  return ownSharedIssuer(authority)
}

/**
 * The authority whose tokens an entry of a release policy accepts: the one it names, or, if the operator maps Azure's
 * shared providers, this installation's provider for the same region. Undefined if it names none.
 * @example
 * import { meantAuthority } from '@strongroom/release-policy'
 *
 * meantAuthority('https://sharedeus.eus.attest.azure.net/', { mapsAzureProviders: false }) // => 'https://sharedeus.eus.attest.azure.net'
 * const meant = meantAuthority('https://sharedeus.eus.attest.azure.net/', { mapsAzureProviders: true })
 * meant // => 'https://sharedeus.eus.attest.strongroom.internal'
 */
export function meantAuthority(authority: string, o: { mapsAzureProviders: boolean }): string | undefined {
  const normal = normalAuthority(authority)
  return normal !== undefined && o.mapsAzureProviders ? (ownProviderFor(normal) ?? normal) : normal
}
