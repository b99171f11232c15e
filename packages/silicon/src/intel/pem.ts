import { toBase64 } from '@strongroom/evidence'

/** PEM of certificates in their order, 64 characters a line. */
export function certificatesPem(...ders: Uint8Array[]): string {
  return ders
    .map((der) => {
      const lines = toBase64(der).match(/.{1,64}/g) ?? []
      return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
    })
    .join('')
}
