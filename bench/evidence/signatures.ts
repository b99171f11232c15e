import { constants, createPublicKey, generateKeyPairSync, randomBytes, sign, verify, type KeyObject } from 'node:crypto'
import { parseCertificate } from '@strongroom/evidence'
import type { SnpCase, TdxCase } from '../../test/judges/corpus.ts'
import { measureSync } from '../support/measure.ts'

/** Bare cost of a verification's signatures in node:crypto, in nanoseconds: keys imported, bytes in memory. */
export function signatureCosts(
  snp: SnpCase,
  tdx: TdxCase,
): { p256: number; p384: number; rsa4096: number; snpFull: number } {
  const p256 = ecdsa('P-256', 'sha256', tdx.quote.subarray(0, 632))
  const p384 = ecdsa('P-384', 'sha384', snp.report.subarray(0, 0x2a0))
  const vcek = parseCertificate(snp.chain.vcek)
  const ask = createPublicKey({
    key: Buffer.from(parseCertificate(snp.chain.ask).publicKey.spki),
    format: 'der',
    type: 'spki',
  })
  const rsa4096 = measureSync(300, () => pss(ask, vcek.tbs, vcek.signature))
  return { p256, p384, rsa4096, snpFull: 3 * rsa4096 + p384 }
}

function ecdsa(namedCurve: string, hash: string, data: Uint8Array): number {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve })
  const signature = sign(hash, data, privateKey)
  // Another message each time would cost the same: verifications are not cached.
  if (verify(hash, randomBytes(32), publicKey, signature)) throw new Error('Impossible')
  return measureSync(300, () => verify(hash, data, publicKey, signature))
}

function pss(key: KeyObject, data: Uint8Array, signature: Uint8Array): void {
  const good = verify('sha384', data, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 }, signature)
  if (!good) throw new Error('The sample is not genuine')
}
