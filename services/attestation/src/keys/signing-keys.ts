import { createHash, createPrivateKey, webcrypto, X509Certificate, type KeyObject } from 'node:crypto'
import { forUpdate, repeatedQuery, RowCache, type Clock, type Sealer, type Store } from '@strongroom/platform'
import type { Kysely } from 'kysely'
import { requirePresent } from '../providers/present.ts'
import type { Provider } from '../providers/providers.ts'
import type { Tables } from '../store/tables.ts'
import { selfSignedCertificate } from './certificate.ts'

const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const
const dayMs = 24 * 3600_000
/** Number of providers whose current key's name is cached. */
const foundKeys = 64
/** How long one key signs. */
export const signingLifeMs: number = 90 * dayMs
/** The longest token lifetime that a policy allows; a retired key stays published for as long. */
export const longestTokenLifeMs: number = 365 * dayMs

export interface SigningKey {
  kid: string
  privateKey: KeyObject
}

/** Members of a JWK as Azure Attestation publishes them. */
export interface PublishedKey {
  kid: string
  kty: 'RSA'
  alg: 'RS256'
  use: 'sig'
  n: string
  e: string
  x5c: string[]
}

/** RSA keys that sign tokens: one per provider signs, earlier ones stay published until their last token has expired. */
export class SigningKeys {
  readonly #store: Store
  readonly #db: Kysely<Tables>
  readonly #sealer: Sealer
  readonly #clock: Clock
  readonly #current: (host: string) => Promise<{ kid: string } | undefined>
  readonly #opened = new Map<string, Promise<KeyObject>>()

  constructor(o: { store: Store; sealer: Sealer; clock: Clock }) {
    this.#store = o.store
    this.#db = o.store.db as Kysely<Tables>
    this.#sealer = o.sealer
    this.#clock = o.clock
    const current = this.#db.selectFrom('signing_key_current').select('kid').where('provider', '=', '')
    const read = repeatedQuery(this.#db, current, { shared: true })
    const found = new RowCache<{ kid: string }>({ store: o.store, tables: ['signing_key_current'], limit: foundKeys })
    this.#current = (host) => found.get(host, () => read(host))
  }

  /** The current signing key; created if the provider has none. */
  async current(provider: Provider): Promise<SigningKey> {
    const kid = (await this.#currentKid(provider)) ?? (await this.#replace(provider, undefined))
    return { kid, privateKey: await this.#privateKey(provider, kid) }
  }

  /** Creates a new key and signs with it from now on. */
  async rotate(provider: Provider): Promise<void> {
    await this.#replace(provider, await this.#currentKid(provider))
  }

  /** Replaces the signing key once it is 90 days old. @returns whether it did; false if there is none yet */
  async renew(provider: Provider): Promise<boolean> {
    const kid = await this.#currentKid(provider)
    if (kid === undefined) return false
    const { created_at } = await this.#db
      .selectFrom('signing_key')
      .select('created_at')
      .where('provider', '=', provider.host)
      .where('kid', '=', kid)
      .executeTakeFirstOrThrow()
    if (this.#clock.now().getTime() - Date.parse(created_at) < signingLifeMs) return false
    // If another process was faster, its key is used.
    await this.#replace(provider, kid)
    return true
  }

  /** DER of a key's certificate. */
  async certificate(provider: Provider, kid: string): Promise<Buffer> {
    const { certificate } = await this.#db
      .selectFrom('signing_key')
      .select('certificate')
      .where('provider', '=', provider.host)
      .where('kid', '=', kid)
      .executeTakeFirstOrThrow()
    return Buffer.from(certificate, 'base64url')
  }

  /** Drops the opened keys of a removed provider. */
  forget(provider: Provider): void {
    for (const name of this.#opened.keys()) if (name.startsWith(`${provider.host} `)) this.#opened.delete(name)
  }

  /** Drops the opened keys of providers removed by another process. */
  keepOnly(present: readonly Provider[]): void {
    const hosts = new Set(present.map(({ host }) => host))
    for (const name of this.#opened.keys()) if (!hosts.has(name.split(' ')[0]!)) this.#opened.delete(name)
  }

  async published(provider: Provider): Promise<PublishedKey[]> {
    await this.current(provider)
    const oldest = new Date(this.#clock.now().getTime() - longestTokenLifeMs).toISOString()
    const rows = await this.#db
      .selectFrom('signing_key')
      .select(['kid', 'certificate', 'retired_at'])
      .where('provider', '=', provider.host)
      .where((expression) =>
        expression.or([expression('retired_at', 'is', null), expression('retired_at', '>', oldest)]),
      )
      .orderBy('created_at', 'desc')
      .execute()
    // The signing key first: some clients try no other.
    const ordered = [...rows.filter((row) => row.retired_at === null), ...rows.filter((row) => row.retired_at !== null)]
    return ordered.map(({ kid, certificate }) => publishedKey(kid, Buffer.from(certificate, 'base64url')))
  }

  async #currentKid(provider: Provider): Promise<string | undefined> {
    return (await this.#current(provider.host))?.kid
  }

  /** Creates a key that replaces `previous`; if another process was faster, its key is used. */
  async #replace(provider: Provider, previous: string | undefined): Promise<string> {
    const made = await this.#make(provider)
    return this.#store.transaction(async (transaction) => {
      const tx = transaction as Kysely<Tables>
      await requirePresent(this.#store, tx, provider)
      await tx.insertInto('signing_key').values(made).execute()
      if (previous === undefined) {
        await tx
          .insertInto('signing_key_current')
          .values({ provider: provider.host, kid: made.kid })
          .onConflict((conflict) => conflict.column('provider').doNothing())
          .execute()
      }
      const select = tx.selectFrom('signing_key_current').select('kid').where('provider', '=', provider.host)
      const { kid } = await forUpdate(this.#store, select).executeTakeFirstOrThrow()
      if (kid === made.kid) return kid
      if (kid !== previous) {
        await tx.deleteFrom('signing_key').where('provider', '=', provider.host).where('kid', '=', made.kid).execute()
        return kid
      }
      await tx.updateTable('signing_key_current').set({ kid: made.kid }).where('provider', '=', provider.host).execute()
      await tx
        .updateTable('signing_key')
        .set({ retired_at: this.#clock.now().toISOString() })
        .where('provider', '=', provider.host)
        .where('kid', '=', previous)
        .execute()
      return made.kid
    })
  }

  async #make(provider: Provider): Promise<Tables['signing_key']> {
    const keys = (await webcrypto.subtle.generateKey(
      { ...algorithm, modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) },
      true,
      ['sign', 'verify'],
    )) as webcrypto.CryptoKeyPair
    const spki = new Uint8Array(await webcrypto.subtle.exportKey('spki', keys.publicKey))
    const kid = createHash('sha256').update(spki).digest('base64')
    const now = this.#clock.now()
    const certificate = selfSignedCertificate({
      issuer: `https://${provider.host}`,
      privateKey: keys.privateKey,
      notBefore: new Date(now.getTime() - 3600_000),
      notAfter: new Date(now.getTime() + 10 * 365 * dayMs),
    })
    const pkcs8 = new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
    const sealed = await this.#sealer.seal(pkcs8, sealContext(provider, kid))
    pkcs8.fill(0)
    return {
      provider: provider.host,
      kid,
      created_at: now.toISOString(),
      retired_at: null,
      sealed: Buffer.from(sealed).toString('base64url'),
      certificate: Buffer.from(certificate).toString('base64url'),
    }
  }

  async #privateKey(provider: Provider, kid: string): Promise<KeyObject> {
    const name = `${provider.host} ${kid}`
    let opening = this.#opened.get(name)
    if (opening === undefined) {
      opening = this.#open(provider, kid)
      this.#opened.set(name, opening)
      // A failure is not cached: the next call tries again.
      opening.catch(() => this.#opened.delete(name))
    }
    return opening
  }

  async #open(provider: Provider, kid: string): Promise<KeyObject> {
    const { sealed } = await this.#db
      .selectFrom('signing_key')
      .select('sealed')
      .where('provider', '=', provider.host)
      .where('kid', '=', kid)
      .executeTakeFirstOrThrow()
    const pkcs8 = await this.#sealer.open(Buffer.from(sealed, 'base64url'), sealContext(provider, kid))
    const key = createPrivateKey({
      key: Buffer.from(pkcs8.buffer, pkcs8.byteOffset, pkcs8.length),
      format: 'der',
      type: 'pkcs8',
    })
    pkcs8.fill(0)
    return key
  }
}

const sealContext = (provider: Provider, kid: string): string => `attestation/signing-key/${provider.host}/${kid}`

function publishedKey(kid: string, certificate: Buffer): PublishedKey {
  const { n, e } = new X509Certificate(certificate).publicKey.export({ format: 'jwk' })
  return { kid, kty: 'RSA', alg: 'RS256', use: 'sig', n: n!, e: e!, x5c: [certificate.toString('base64')] }
}
