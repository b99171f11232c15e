import { parseCertificate, type Certificate } from './certificate.ts'
import { parseCrl, type Crl } from './crl.ts'
import type { VerifyContext } from './verify-context.ts'
import { parsePemChain } from './pem.ts'
import { parsePublicKey, type PublicKey } from './public-key.ts'

// The parsers, through the cache if there is one.

/**
 * The certificate, read once for each `cache`. @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { certificateOf, describeName, VerificationCache } from '@strongroom/evidence'
 *
 * const certificate = certificateOf(await readFile('vcek.der'), { cache: new VerificationCache() })
 * describeName(certificate.subject) // => 'SEV-VCEK'
 */
export function certificateOf(der: Uint8Array, { cache }: VerifyContext): Certificate {
  if (cache === undefined) return parseCertificate(der)
  return cache.parsed('certificate', der, (copy) => {
    const certificate = parseCertificate(copy)
    cache.own(certificate.publicKey)
    return certificate
  })
}

/**
 * The list, read once for each `cache`. @throws ParseError
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { crlOf, fromHex } from '@strongroom/evidence'
 *
 * const { rootCaCrl } = JSON.parse(await readFile('collateral.json', 'utf8'))
 * crlOf(fromHex(rootCaCrl), {}).revoked.size // => 0
 */
export function crlOf(der: Uint8Array, { cache }: VerifyContext): Crl {
  return cache === undefined ? parseCrl(der) : cache.parsed('crl', der, parseCrl)
}

export function publicKeyOf(spki: Uint8Array, { cache }: VerifyContext): PublicKey {
  return cache === undefined ? parsePublicKey(spki) : cache.parsed('key', spki, parsePublicKey)
}

/**
 * A PEM chain, which may contain only certificates.
 * @example
 * import { readFile } from 'node:fs/promises'
 * import { chainOf } from '@strongroom/evidence'
 *
 * chainOf(await readFile('cert_chain.pem', 'utf8'), {}).length // => 2
 */
export function chainOf(text: string, { cache }: VerifyContext): readonly Uint8Array[] {
  return cache === undefined ? parsePemChain(text) : cache.parsedText('chain', text, parsePemChain)
}
