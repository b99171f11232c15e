import { createHmac, generateKeyPairSync, randomBytes, X509Certificate, type KeyObject } from 'node:crypto'
import { issueSelfSigned } from '@strongroom/platform'
import { compactDecrypt, CompactEncrypt } from 'jose'
import { thumbprintOf } from '../hsm/security-domain.ts'
import { joinShares } from './join-shares.ts'

/** A holder of a share of a security domain. */
export interface TestHolder {
  privateKey: KeyObject
  pem: string
  /** In wire format. */
  jwk: { x5c: string[] }
}

export function createHolder(name: string): TestHolder {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = issueSelfSigned({
    subject: `CN=${name}`,
    privateKey,
    usages: ['digitalSignature'],
    notBefore: new Date(Date.now() - 3600_000),
    notAfter: new Date(Date.now() + 3600_000),
  })
  return { privateKey, pem, jwk: { x5c: [new X509Certificate(pem).raw.toString('base64')] } }
}

const derived = (master: Uint8Array, label: string): Uint8Array =>
  createHmac('sha512', master)
    .update(Buffer.from([0, 0, 0, 1]))
    .update(label)
    .update(Buffer.from([0, 0, 0, 2, 0]))
    .digest()

/** What `az keyvault security-domain upload` does for the holders: combines the shares, then encrypts under the exchange key. */
export async function prepareUpload(o: {
  domain: string
  holders: TestHolder[]
  transferKey: string
}): Promise<string> {
  const { EncData, SharedKeys } = JSON.parse(o.domain) as {
    EncData: { data: { compact_jwe: string; tag: string }[]; kdf: string }
    SharedKeys: { enc_shares: { enc_key: string; x5t_256: string }[]; required: number }
  }
  const shares: Uint8Array[] = []
  for (const { pem, privateKey } of o.holders) {
    const thumbprint = thumbprintOf(new X509Certificate(pem).raw)
    const share = SharedKeys.enc_shares.find((each) => each.x5t_256 === thumbprint)
    if (share) shares.push((await compactDecrypt(share.enc_key, privateKey)).plaintext)
  }
  const master = joinShares(shares.slice(0, SharedKeys.required))
  const fresh = randomBytes(32)
  const data = []
  for (const { compact_jwe, tag } of EncData.data) {
    const { plaintext } = await compactDecrypt(compact_jwe, derived(master, tag))
    const header = { alg: 'dir', enc: 'A256CBC-HS512', kid: tag } as const
    data.push({
      compact_jwe: await new CompactEncrypt(plaintext).setProtectedHeader(header).encrypt(derived(fresh, tag)),
      tag,
    })
  }
  const { x5c } = JSON.parse(o.transferKey) as { x5c: string[] }
  const certificate = new X509Certificate(Buffer.from(x5c[0]!, 'base64'))
  const enc_key = await new CompactEncrypt(fresh)
    .setProtectedHeader({ alg: 'RSA-OAEP-256', enc: 'A256CBC-HS512', kid: 'not used' })
    .encrypt(certificate.publicKey)
  return JSON.stringify({
    EncData: { data, kdf: 'sp108_kdf' },
    WrappedKey: { enc_key, x5t_256: thumbprintOf(certificate.raw) },
  })
}
