import { parseCertificate, type Certificate } from './certificate.ts'
import { parseCrl, type Crl } from './crl.ts'
import type { VerifyContext } from './verify-context.ts'
import { parsePemChain } from './pem.ts'
import { parsePublicKey, type PublicKey } from './public-key.ts'

// The parsers, through the cache where there is one.

export function certificateOf(der: Uint8Array, { cache }: VerifyContext): Certificate {
  if (cache === undefined) return parseCertificate(der)
  return cache.parsed('certificate', der, (copy) => {
    const certificate = parseCertificate(copy)
    cache.own(certificate.publicKey)
    return certificate
  })
}

export function crlOf(der: Uint8Array, { cache }: VerifyContext): Crl {
  return cache === undefined ? parseCrl(der) : cache.parsed('crl', der, parseCrl)
}

export function publicKeyOf(spki: Uint8Array, { cache }: VerifyContext): PublicKey {
  return cache === undefined ? parsePublicKey(spki) : cache.parsed('key', spki, parsePublicKey)
}

/** A chain in PEM, of which nothing but certificates is allowed. */
export function chainOf(text: string, { cache }: VerifyContext): readonly Uint8Array[] {
  return cache === undefined ? parsePemChain(text) : cache.parsedText('chain', text, parsePemChain)
}
