import { timingSafeEqual } from 'node:crypto'

export type DigestName = 'sha256' | 'sha384' | 'sha512'

/** DER before the digest of EMSA-PKCS1-v1_5, RFC 8017 section 9.2 note 1. */
const prefixes: Record<DigestName, string> = {
  sha256: '3031300d060960864801650304020105000420',
  sha384: '3041300d060960864801650304020205000430',
  sha512: '3051300d060960864801650304020305000440',
}

export const digestBytes: Record<DigestName, number> = { sha256: 32, sha384: 48, sha512: 64 }

/** DigestInfo of a digest computed elsewhere. */
export function digestInfo(name: DigestName, digest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(prefixes[name], 'hex'), digest])
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
