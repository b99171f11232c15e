/**
 * Normal form of an authority, to compare with a token's issuer: origin without trailing slash; undefined if invalid.
 * Real policies write it with and without the slash.
 * @example
 * import { normalAuthority } from '@strongroom/release-policy'
 *
 * normalAuthority('https://SharedEUS.eus.attest.azure.net/') // => 'https://sharedeus.eus.attest.azure.net'
 * normalAuthority('https://a.example/path') // => undefined
 */
export function normalAuthority(text: string): string | undefined {
  const match = /^https:\/\/([a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?)\/?$/i.exec(text)
  return match ? `https://${match[1]!.toLowerCase()}` : undefined
}
