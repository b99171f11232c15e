/**
 * An authority as its token's issuer is compared: origin without trailing slash; undefined where it is none. Real
 * policies write it with and without the slash.
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
