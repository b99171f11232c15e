/**
 * An authority as its token's issuer is compared: origin without trailing slash; undefined where it is none. Real
 * policies write it with and without the slash.
 */
export function normalAuthority(text: string): string | undefined {
  const match = /^https:\/\/([a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9_])?)\/?$/i.exec(text)
  return match ? `https://${match[1]!.toLowerCase()}` : undefined
}
