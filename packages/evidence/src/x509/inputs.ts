import { parseCertificate, type Certificate } from './certificate.ts'
import { parseCrl, type Crl } from './crl.ts'
import type { Means } from './means.ts'
import { parsePemChain } from './pem.ts'
import { parsePublicKey, type PublicKey } from './public-key.ts'

// The parsers, through the cache where there is one.

export function certificateOf(der: Uint8Array, { cache }: Means): Certificate {
  if (cache === undefined) return parseCertificate(der)
  return cache.parsed('certificate', der, (copy) => {
    const certificate = parseCertificate(copy)
    cache.own(certificate.publicKey)
    return certificate
  })
}

export function crlOf(der: Uint8Array, { cache }: Means): Crl {
  return cache === undefined ? parseCrl(der) : cache.parsed('crl', der, parseCrl)
}

export function publicKeyOf(spki: Uint8Array, { cache }: Means): PublicKey {
  return cache === undefined ? parsePublicKey(spki) : cache.parsed('key', spki, parsePublicKey)
}

/** A chain in PEM, of which nothing but certificates is allowed. */
export function chainOf(text: string, { cache }: Means): readonly Uint8Array[] {
  return cache === undefined ? parsePemChain(text) : cache.parsedText('chain', text, parsePemChain)
}
