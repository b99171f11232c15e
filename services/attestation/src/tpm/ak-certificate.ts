import { createPublicKey, type KeyObject } from 'node:crypto'
import { attestationKeyUsage, placementPrefix } from '@strongroom/contract'
import {
  equal,
  isAttestationKey,
  parseCertificate,
  parsePem,
  parseTpm2bPublic,
  sameName,
  spkiSha256,
  toBase64Url,
  VerificationError,
  verifyPath,
  type Certificate,
  type VerifyContext,
  type TpmPublicKey,
  type TrustAnchor,
} from '@strongroom/evidence'

const organizationalUnit = '2.5.4.11'

/** An attestation key certified by an authority of ours. */
export interface CertifiedKey {
  /** CN of the certificate: the VM's id, upper case. */
  vmId: string
  /** The unit that names the epoch at which a joined host carried the VM; absent from the server's own host. */
  placement?: string
  key: TpmPublicKey
  /** DER without padding, followed by the authority. */
  chain: Uint8Array[]
  /** SHA-256 of the key's SubjectPublicKeyInfo, lower-case hexadecimal: identifies the TPM. */
  fingerprint: string
}

/** The authorities whose attestation-key certificates are accepted: none by default. */
export class AttestationKeyAuthorities {
  readonly #roots: Certificate[]
  readonly #context: VerifyContext
  #anchors: Promise<TrustAnchor[]> | undefined

  /** @param o.pem certificates of the authorities */
  constructor(o: { pem: readonly string[]; context: VerifyContext }) {
    this.#roots = o.pem.flatMap((text) => parsePem(text)).map((der) => parseCertificate(der))
    this.#context = o.context
  }

  /**
   * Verifies a certificate of an attestation key, and that it belongs to this key.
   * @param o.certificate DER, possibly zero-padded
   * @param o.key TPM2B_PUBLIC, whose attributes must be an attestation key's too; or the key alone
   * @throws VerificationError UntrustedRoot, CertificateNotForThisUse, CertificateExpired, …, TpmKeyNotAllowed,
   *   BindingMismatch; ParseError
   */
  async verify(o: { certificate: Uint8Array; key: Uint8Array | TpmPublicKey; at: Date }): Promise<CertifiedKey> {
    const der = withoutPadding(o.certificate)
    const leaf = parseCertificate(der)
    const issuer = this.#roots.find((root) => sameName(root.subject, leaf.issuer))
    const chain = issuer === undefined ? [leaf] : [leaf, issuer]
    await verifyPath({
      chain,
      anchors: await this.#pins(),
      at: o.at,
      ...this.#context,
    })
    const usages = leaf.extendedKeyUsage ?? []
    if (usages.length !== 1 || usages[0] !== attestationKeyUsage) {
      throw new VerificationError({
        code: 'CertificateNotForThisUse',
        message: 'The certificate is not for an attestation key',
        subject: 'attestation key certificate',
        expected: `extended key usage ${attestationKeyUsage} alone`,
        found: usages.join(', ') || 'none',
      })
    }
    const key = o.key instanceof Uint8Array ? attestationKeyIn(o.key) : o.key
    const certified = leaf.publicKey
    if (key.kind !== 'rsa' || certified.kind !== 'RSA' || !equal(certified.modulus, key.modulus)) {
      throw new VerificationError({
        code: 'BindingMismatch',
        message: 'The certificate is for another attestation key',
        subject: 'attestation key certificate',
        expected: describe(certified.kind === 'RSA' ? certified.modulus : undefined),
        found: describe(key.kind === 'rsa' ? key.modulus : undefined),
      })
    }
    const placement = leaf.subject.attributes.find(
      ({ type, value }) => type === organizationalUnit && value.startsWith(placementPrefix),
    )?.value
    return {
      vmId: (leaf.subject.commonName ?? '').toUpperCase(),
      ...(placement !== undefined && { placement }),
      key,
      chain: chain.map(({ raw }) => raw),
      fingerprint: await spkiSha256(leaf, this.#context),
    }
  }

  async #pins(): Promise<TrustAnchor[]> {
    this.#anchors ??= Promise.all(
      this.#roots.map(async (root) => ({
        name: root.subject.commonName ?? 'authority of attestation keys',
        spkiSha256: await spkiSha256(root),
      })),
    )
    return this.#anchors
  }
}

function attestationKeyIn(akPublic: Uint8Array): TpmPublicKey {
  const area = parseTpm2bPublic(akPublic)
  if (isAttestationKey(area)) return area.key
  throw new VerificationError({
    code: 'TpmKeyNotAllowed',
    message: 'The key can sign data that the TPM did not create',
    subject: 'attestation key',
    expected: 'restricted, signing, fixed to its TPM',
    found: `attributes 0x${area.attributes.toString(16)}`,
  })
}

/** The DER value at the start, with a two-byte length; an NV index pads it with zeros. The parser refuses anything else. */
function withoutPadding(bytes: Uint8Array): Uint8Array {
  const end = 4 + bytes[2]! * 256 + bytes[3]!
  return bytes.subarray(end).every((byte) => byte === 0) ? bytes.subarray(0, end) : bytes
}

function describe(modulus: Uint8Array | undefined): string {
  return modulus === undefined ? 'no RSA key' : `RSA modulus ${toBase64Url(modulus).slice(0, 22)}…`
}

/** RSA public key from modulus and exponent, for encryption. */
export function rsaPublicKey(key: { modulus: Uint8Array; exponent: number }): KeyObject {
  return createPublicKey({ key: rsaJwk(key), format: 'jwk' })
}

export function rsaJwk(key: { modulus: Uint8Array; exponent: number }): { kty: 'RSA'; n: string; e: string } {
  const exponent = Buffer.alloc(4)
  exponent.writeUInt32BE(key.exponent)
  return {
    kty: 'RSA',
    n: toBase64Url(key.modulus),
    e: toBase64Url(exponent.subarray(exponent.findIndex((byte) => byte !== 0))),
  }
}
