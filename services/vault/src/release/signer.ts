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
import type { ReleasedKey } from '@strongroom/contract'
import type { Clock, InstallationAuthority, Sealer, Store } from '@strongroom/platform'
import { keptSecret } from '../store/secrets.ts'

const certificateDays = 90
const renewBeforeMs = 7 * 24 * 3600_000
const signAsync = promisify(sign)

interface Signing {
  key: KeyObject
  header: { alg: 'RS256'; kid: string; typ: 'JWT'; x5t: string; 'x5t#S256': string; x5c: string[] }
  renewAt: number
}

/** Signs what is released, so that its receiver can tell the vault's answer from anyone else's. */
export class ReleaseSigner {
  readonly #o: { store: Store; sealer: Sealer; clock: Clock; authority: InstallationAuthority }
  #signing: Promise<Signing> | undefined

  constructor(o: { store: Store; sealer: Sealer; clock: Clock; authority: InstallationAuthority }) {
    this.#o = o
  }

  /** Makes key and certificate ahead of the first release. */
  async prepare(): Promise<void> {
    await this.#current()
  }

  /** Compact JWS: RS256, `x5c` of leaf and installation CA. */
  async sign(payload: ReleasedKey): Promise<string> {
    const { key, header } = await this.#current()
    const input = `${encode(header)}.${encode(payload)}`
    const signature = await signAsync('sha256', Buffer.from(input), key)
    return `${input}.${signature.toString('base64url')}`
  }

  async #current(): Promise<Signing> {
    const kept = await this.#signing?.catch(() => undefined)
    if (kept && this.#o.clock.now().getTime() < kept.renewAt) return kept
    const making = this.#make()
    this.#signing = making
    return making
  }

  async #make(): Promise<Signing> {
    const { store, sealer, clock, authority } = this.#o
    const pkcs8 = await keptSecret({ store, sealer, name: 'release-signing-key', make: newKey })
    const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' })
    pkcs8.fill(0)
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
    // Azure's leaf carries the name of its vault domain as well.
    const pem = await authority.issueCertificate({
      subject: 'CN=vault.azure.net,O=Strongroom',
      publicKey: Uint8Array.from(spki),
      usages: ['digitalSignature'],
      days: certificateDays,
    })
    const chain = [new X509Certificate(pem), new X509Certificate(authority.caPem)]
    const leaf = chain[0]!.raw
    const x5t = createHash('sha1').update(leaf).digest()
    return {
      key,
      header: {
        alg: 'RS256',
        kid: x5t.toString('hex').toUpperCase(),
        typ: 'JWT',
        x5t: x5t.toString('base64url'),
        'x5t#S256': createHash('sha256').update(leaf).digest('base64url'),
        x5c: chain.map((certificate) => certificate.raw.toString('base64')),
      },
      renewAt: clock.now().getTime() + certificateDays * 24 * 3600_000 - renewBeforeMs,
    }
  }
}

async function newKey(): Promise<Uint8Array> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 })
  return privateKey.export({ type: 'pkcs8', format: 'der' })
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url')
}
