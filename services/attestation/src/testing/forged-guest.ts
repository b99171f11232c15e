import { generateKeyPairSync, sign } from 'node:crypto'
import { parsePem } from '@strongroom/evidence'
import type { InstallationAuthority } from '@strongroom/platform'
import { attestationKeyUsageExtension, type RequestParts, type TestGuest } from './guest.ts'

/**
 * A guest whose attestation key is outside any TPM: its holder signs anything, so that a statement can have a single
 * fault. Everything else is a real guest's: certificate, claims, registers.
 */
export class ForgedGuest {
  readonly #guest: TestGuest
  readonly #privateKey: ReturnType<typeof generateKeyPairSync>['privateKey']
  readonly #modulus: Uint8Array
  readonly #certificate: Uint8Array
  readonly #claims: Uint8Array

  private constructor(o: { guest: TestGuest; pair: ReturnType<typeof rsaPair>; certificate: Uint8Array }) {
    const { n, e } = o.pair.publicKey.export({ format: 'jwk' })
    this.#guest = o.guest
    this.#privateKey = o.pair.privateKey
    this.#modulus = Buffer.from(n!, 'base64url')
    this.#certificate = o.certificate
    const claims = JSON.parse(Buffer.from(o.guest.claims).toString()) as { keys: unknown[] }
    claims.keys = [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n }]
    this.#claims = new TextEncoder().encode(JSON.stringify(claims))
  }

  static async of(guest: TestGuest, authority: InstallationAuthority): Promise<ForgedGuest> {
    const pair = rsaPair()
    const pem = await authority.issueCertificate({
      subject: `CN=${guest.vmId}`,
      publicKey: Uint8Array.from(pair.publicKey.export({ type: 'spki', format: 'der' })),
      usages: ['digitalSignature'],
      days: 90,
      extensions: [attestationKeyUsageExtension],
    })
    return new ForgedGuest({ guest, pair, certificate: parsePem(pem)[0]! })
  }

  /** A request with each statement changed and signed again. */
  async parts(
    o: Parameters<TestGuest['parts']>[0] & {
      quote?: (message: Uint8Array) => Uint8Array
      certify?: (message: Uint8Array) => Uint8Array
    } = {},
  ): Promise<RequestParts> {
    const parts = await this.#guest.parts({ ...o, claims: this.#claims })
    const akPublic = Uint8Array.from(parts.akPublic)
    // The modulus is the last member of TPMT_PUBLIC.
    akPublic.set(this.#modulus, akPublic.length - this.#modulus.length)
    const [quote, certify] = [(o.quote ?? same)(parts.quote.message), (o.certify ?? same)(parts.key.message)]
    return {
      ...parts,
      akPublic,
      akCertificate: this.#certificate,
      quote: { message: quote, signature: this.#sign(quote) },
      key: { ...parts.key, message: certify, signature: this.#sign(certify) },
    }
  }

  #sign(message: Uint8Array): Uint8Array {
    return sign('sha256', message, this.#privateKey)
  }
}

const same = (message: Uint8Array): Uint8Array => message

function rsaPair() {
  return generateKeyPairSync('rsa', { modulusLength: 2048 })
}

/** The bytes, overwritten from that offset. */
export function withBytes(bytes: Uint8Array, at: number, others: readonly number[]): Uint8Array {
  const changed = Uint8Array.from(bytes)
  changed.set(others, at)
  return changed
}
