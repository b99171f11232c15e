import { toBase64 } from '@strongroom/evidence'

/** PEM of DER values in order, 64 characters a line (RFC 7468). */
export function toPem(values: readonly Uint8Array[], label = 'CERTIFICATE'): string {
  return values
    .map((value) => {
      const lines = toBase64(value).match(/.{1,64}/g) ?? []
      return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
    })
    .join('')
}
