import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  sign,
  X509Certificate,
  type KeyObject,
} from 'node:crypto'
import { promisify } from 'node:util'
import type { Clock, InstallationAuthority, Sealer, Store } from '@strongroom/platform'
import { keepSecret, keptSecret, readSecret } from '../store/secrets.ts'

const dayMs = 24 * 3600_000
const certificateDays = 90
const renewBeforeDays = 7
/** What a key of the service signs, exclusively. */
export interface SigningPurpose {
  /** Prefix of the names under which key and certificate are stored. */
  name: string
  subject: string
  /** ExtKeyUsageSyntax (RFC 5280 section 4.2.1.12) with a single usage; DER, hexadecimal. */
  extendedKeyUsage: string
}

/** `releaseSigningUsage`. */
export const releaseSigning: SigningPurpose = {
  name: 'release-signing',
  subject: 'CN=Strongroom key release,O=Strongroom',
  extendedKeyUsage: '301606146981de9d9d94d3c0f2adf58fa1cbabe8d8f1f510',
}

/** `keyAttestationUsage`. */
export const attestationSigning: SigningPurpose = {
  name: 'key-attestation',
  subject: 'CN=Strongroom key attestation,O=Strongroom',
  extendedKeyUsage: '301506136982f0f695aad5d2b6d784cbedcd9383a8c922',
}

interface Signing {
  key: KeyObject
  /** Base64url of the header, which is the same in everything that this key signs. */
  header: string
  x5c: string[]
  renewAt: number
}

interface SignerParts {
  store: Store
  sealer: Sealer
  clock: Clock
  authority: InstallationAuthority
  purpose: SigningPurpose
}

/**
 * Signs for one purpose, under a certificate for that purpose only: a recipient can distinguish the vault's statements
 * from anyone else's.
 */
export class CertifiedSigner {
  readonly #o: SignerParts
  #signing: Promise<Signing> | undefined

  constructor(o: SignerParts) {
    this.#o = o
  }

  /** Creates key and certificate before the first use. */
  async prepare(): Promise<void> {
    await this.#current()
  }

  /** Compact JWS: RS256, `x5c` of leaf and installation CA. */
  async sign(payload: object): Promise<string> {
    const { key, header } = await this.#current()
    const input = `${header}.${encode(payload)}`
    const signature = sign('sha256', Buffer.from(input), key)
    return `${input}.${signature.toString('base64url')}`
  }

  /** Leaf first, base64 of DER. */
  async certificates(): Promise<string[]> {
    return (await this.#current()).x5c
  }

  async #current(): Promise<Signing> {
    const kept = await this.#signing?.catch(() => undefined)
    if (kept && this.#o.clock.now().getTime() < kept.renewAt) return kept
    const making = this.#make()
    this.#signing = making
    return making
  }

  async #make(): Promise<Signing> {
    const { store, sealer, authority, purpose } = this.#o
    const pkcs8 = await keptSecret({ store, sealer, name: `${purpose.name}-key`, make: newKey })
    const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
    pkcs8.fill(0)
    const pem = await this.#certificate(key)
    const chain = [new X509Certificate(pem), new X509Certificate(authority.caPem)]
    const leaf = chain[0]!.raw
    const x5t = createHash('sha1').update(leaf).digest()
    const x5c = chain.map((certificate) => certificate.raw.toString('base64'))
    return {
      key,
      x5c,
      header: encode({
        alg: 'RS256',
        kid: x5t.toString('hex').toUpperCase(),
        typ: 'JWT',
        x5t: x5t.toString('base64url'),
        'x5t#S256': createHash('sha256').update(leaf).digest('base64url'),
        x5c,
      }),
      renewAt: renewalOf(chain[0]!),
    }
  }

  /** Kept across restarts, so that a start need not issue one. */
  async #certificate(key: KeyObject): Promise<string> {
    const { store, sealer, clock, authority, purpose } = this.#o
    const certificateName = `${purpose.name}-certificate`
    const kept = await readSecret({ store, sealer, name: certificateName })
    if (kept) {
      const pem = Buffer.from(kept).toString('utf8')
      const certificate = new X509Certificate(pem)
      const ours =
        certificate.checkPrivateKey(key) && certificate.verify(new X509Certificate(authority.caPem).publicKey)
      if (ours && clock.now().getTime() < renewalOf(certificate)) return pem
    }
    const pem = await authority.issueCertificate({
      subject: purpose.subject,
      publicKey: Uint8Array.from(createPublicKey(key).export({ type: 'spki', format: 'der' })),
      usages: ['digitalSignature'],
      days: certificateDays,
      extensions: [{ oid: '2.5.29.37', value: Uint8Array.from(Buffer.from(purpose.extendedKeyUsage, 'hex')) }],
    })
    await keepSecret({ store, sealer, name: certificateName, value: Buffer.from(pem, 'utf8') })
    return pem
  }
}

/** Usable until here: a certificate is valid for longer than a recipient's clock may lag. */
function renewalOf(certificate: X509Certificate): number {
  return Date.parse(certificate.validTo) - renewBeforeDays * dayMs
}

async function newKey(): Promise<Uint8Array> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  return privateKey.export({ type: 'pkcs8', format: 'der' })
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url')
}
