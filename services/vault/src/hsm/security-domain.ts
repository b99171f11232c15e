import { createHash, createHmac, createPublicKey, randomBytes, X509Certificate, type KeyObject } from 'node:crypto'
import { compactDecrypt, CompactEncrypt } from 'jose'
import { badParameter, shown } from '../core/errors.ts'
import { splitSecret } from './shamir.ts'

const fewestHolders = 3
const mostHolders = 10
const encryption = 'A256CBC-HS512'
const keyWrapping = 'RSA-OAEP-256'
const tag = 'strongroom-domain-key'

/** Holder of a share of the security domain: a certificate with an RSA key. */
export interface Holder {
  publicKey: KeyObject
  /** SHA-256 of the certificate, base64url. */
  thumbprint: string
}

/** What the holders of enough shares upload to another HSM. */
interface RestoreBlob {
  EncData: { data: { compact_jwe: string; tag: string }[]; kdf: string }
  WrappedKey: { enc_key: string; x5t_256: string }
}

/** `{ certificates: JWK with x5c[], required }`. @throws ServiceError 400 BadParameter */
export function parseHolders(body: unknown): { holders: Holder[]; required: number } {
  const { certificates, required } = (body ?? {}) as Record<string, unknown>
  if (!Array.isArray(certificates) || certificates.length < fewestHolders || certificates.length > mostHolders) {
    throw badParameter('The number of certificates is out of range.', {
      target: 'certificates',
      expected: `${fewestHolders} to ${mostHolders}`,
      found: Array.isArray(certificates) ? String(certificates.length) : shown(certificates),
    })
  }
  if (typeof required !== 'number' || !Number.isInteger(required) || required < 2 || required > certificates.length) {
    throw badParameter('The quorum is out of range.', {
      target: 'required',
      expected: `2 to ${certificates.length}`,
      found: shown(required),
    })
  }
  const holders = certificates.map((certificate, index) => holderOf(certificate, `certificates[${index}]`))
  if (new Set(holders.map(({ thumbprint }) => thumbprint)).size !== holders.length) {
    throw badParameter('A certificate occurs twice: its holder would have two shares.', {
      target: 'certificates',
      expected: 'different certificates',
      found: 'the same twice',
    })
  }
  return { holders, required }
}

function holderOf(value: unknown, target: string): Holder {
  const { x5c } = (typeof value === 'object' && value !== null ? value : {}) as { x5c?: unknown }
  const first: unknown = Array.isArray(x5c) ? x5c[0] : undefined
  try {
    const certificate = new X509Certificate(Buffer.from(first as string, 'base64'))
    const { publicKey } = certificate
    if (publicKey.asymmetricKeyType === 'rsa' && (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048) {
      return { publicKey, thumbprint: thumbprintOf(certificate.raw) }
    }
  } catch {
    // Said below.
  }
  throw badParameter('A certificate of the security domain is invalid.', {
    target,
    expected: 'a JWK with x5c: one X.509 certificate with an RSA key of 2048 bits or more',
    found: shown(first),
  })
}

/**
 * The security domain as `az keyvault security-domain` keeps it: the domain key under a key that is split among the
 * holders. Any `required` of their private keys recover the domain key.
 */
export async function sealSecurityDomain(o: {
  domainKey: Uint8Array
  holders: Holder[]
  required: number
}): Promise<string> {
  const master = randomBytes(32)
  const shares = splitSecret(master, { shares: o.holders.length, required: o.required })
  try {
    const enc_shares = await Promise.all(
      o.holders.map(async ({ publicKey, thumbprint }, index) => ({
        enc_key: await new CompactEncrypt(shares[index]!)
          .setProtectedHeader({ alg: keyWrapping, enc: encryption, kid: thumbprint })
          .encrypt(publicKey),
        x5t_256: thumbprint,
      })),
    )
    const compact_jwe = await new CompactEncrypt(o.domainKey)
      .setProtectedHeader({ alg: 'dir', enc: encryption, kid: tag })
      .encrypt(derived(master, tag))
    return JSON.stringify({
      EncData: { data: [{ compact_jwe, tag }], kdf: 'sp108_kdf' },
      SharedKeys: { enc_shares, key_algorithm: 'shamir_share', required: o.required },
      version: 2,
    })
  } finally {
    master.fill(0)
    for (const share of shares) share.fill(0)
  }
}

/**
 * Recovers the domain key from the holders' shares, re-encrypted for this HSM's transfer key.
 * @throws ServiceError 400 BadParameter
 */
export async function openRestoreBlob(
  value: unknown,
  transfer: { key: KeyObject; thumbprint: string },
): Promise<Uint8Array> {
  const blob = restoreBlobOf(value)
  if (blob.WrappedKey.x5t_256 !== transfer.thumbprint) {
    throw badParameter('The security domain was prepared for another exchange key.', {
      target: 'value.WrappedKey.x5t_256',
      expected: transfer.thumbprint,
      found: shown(blob.WrappedKey.x5t_256),
      remedy: 'Fetch the exchange key of this HSM again, and prepare the upload with it.',
    })
  }
  try {
    const options = { keyManagementAlgorithms: [keyWrapping], contentEncryptionAlgorithms: [encryption] }
    const { plaintext: master } = await compactDecrypt(blob.WrappedKey.enc_key, transfer.key, options)
    const datum = blob.EncData.data.find((each) => each.tag === tag)
    if (master.length !== 32 || !datum) throw new Error('not ours')
    const { plaintext } = await compactDecrypt(datum.compact_jwe, derived(master, tag), {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: [encryption],
    })
    master.fill(0)
    if (plaintext.length === 32) return plaintext
  } catch {
    // One message for all causes.
  }
  throw badParameter('The security domain cannot be decrypted.', {
    target: 'value',
    expected: 'a security domain of a managed HSM of Strongroom, prepared with enough of its holders’ keys',
    found: 'something else',
  })
}

function restoreBlobOf(value: unknown): RestoreBlob {
  try {
    const blob = JSON.parse(value as string) as RestoreBlob
    const data: unknown = blob.EncData.data
    const texts = [blob.WrappedKey.enc_key, blob.WrappedKey.x5t_256, blob.EncData.kdf] as unknown[]
    if (Array.isArray(data) && data.length <= 16 && texts.every((text) => typeof text === 'string')) return blob
  } catch {
    // Said below.
  }
  throw badParameter('The upload is not a security domain.', {
    target: 'value',
    expected: 'JSON with EncData and WrappedKey',
    found: shown(value),
  })
}

/** NIST SP 800-108 in counter mode with HMAC-SHA512, 512 bits: one block. */
function derived(master: Uint8Array, label: string): Uint8Array {
  const counter = Buffer.from([0, 0, 0, 1])
  const length = Buffer.from([0, 0, 2, 0])
  return createHmac('sha512', master)
    .update(Buffer.concat([counter, Buffer.from(label, 'utf8'), Buffer.of(0), length]))
    .digest()
}

export function thumbprintOf(der: Uint8Array): string {
  return createHash('sha256').update(der).digest('base64url')
}

/** JWK of a transfer key with its certificate, as text for the wire. */
export function transferKeyText(pem: string): string {
  const certificate = new X509Certificate(pem)
  const { n, e } = createPublicKey(certificate.publicKey.export({ type: 'spki', format: 'pem' })).export({
    format: 'jwk',
  })
  const x5t = createHash('sha1').update(certificate.raw).digest('base64url')
  return JSON.stringify({
    kty: 'RSA',
    n,
    e,
    alg: keyWrapping,
    use: 'enc',
    key_ops: ['wrapKey', 'encrypt'],
    kid: thumbprintOf(certificate.raw),
    x5t,
    'x5t#S256': thumbprintOf(certificate.raw),
    x5c: [certificate.raw.toString('base64')],
  })
}
