import { createPublicKey, X509Certificate, type KeyObject } from 'node:crypto'
import { domain } from '@strongroom/contract'
import { findVerifier, ServiceError, type AttestationVerifier, type Clock, type WireClient } from '@strongroom/platform'
import { meantAuthority } from '@strongroom/release-policy'

const keptMs = 3600_000
/** A token with an unknown key id triggers a refetch, but not more often than this. */
const refetchMs = 30_000
const authoritiesKept = 64
const keysPerAuthority = 32
const minimalModulusBits = 2048

interface Published {
  keys: Map<string, KeyObject>
  fetchedAt: number
}

/**
 * The signing keys that attestation providers publish under `/certs`. Only providers of this installation are asked,
 * and those of other origins that the operator named, at the configured address: a token or a policy that names another
 * host causes no request.
 */
export class Authorities {
  readonly #wire: WireClient
  readonly #clock: Clock
  readonly #verifiers: readonly AttestationVerifier[]
  readonly #mapsAzureProviders: boolean
  readonly #answersAzureNames: () => boolean
  readonly #known = new Map<string, Published>()
  readonly #fetching = new Map<string, Promise<Published>>()

  constructor(o: {
    wire: WireClient
    clock: Clock
    verifiers?: readonly AttestationVerifier[] | undefined
    /** Whether Azure's shared providers in policies map to those of this installation. */
    mapsAzureProviders?: boolean | undefined
    /** Whether those are asked, and sign, under Azure's names now; default: never. */
    answersAzureNames?: (() => boolean) | undefined
  }) {
    this.#wire = o.wire
    this.#clock = o.clock
    this.#verifiers = o.verifiers ?? []
    this.#mapsAzureProviders = o.mapsAzureProviders ?? false
    this.#answersAzureNames = o.answersAzureNames ?? (() => false)
  }

  /** The issuer whose tokens are accepted for an authority in a policy; undefined if it names none. */
  meant(authority: string): string | undefined {
    const mapsAzureProviders = this.#mapsAzureProviders || this.#answersAzureNames()
    return meantAuthority(authority, { mapsAzureProviders })
  }

  /** The issuer that a token names, by its own name; undefined if it names none. */
  issuerOf(iss: unknown): string | undefined {
    return typeof iss === 'string' ? meantAuthority(iss, { mapsAzureProviders: this.#answersAzureNames() }) : undefined
  }

  trusts(authority: string): boolean {
    return this.#trusted(authority) !== undefined
  }

  /** The issuer that an authority means, if its tokens are accepted here. */
  #trusted(authority: string): string | undefined {
    const issuer = this.meant(authority)
    if (issuer === undefined) return undefined
    return findVerifier(this.#verifiers, issuer) !== undefined || issuer.endsWith(`.attest.${domain}`)
      ? issuer
      : undefined
  }

  /** The key with this id; undefined if the authority does not publish it. Fetch errors are ServiceErrors. */
  async key(authority: string, kid: string): Promise<KeyObject | undefined> {
    const issuer = this.#trusted(authority)
    if (issuer === undefined) return undefined
    const now = this.#clock.now().getTime()
    let published = this.#known.get(issuer)
    const stale = !published || Math.abs(now - published.fetchedAt) > keptMs
    const mayHaveNew = published !== undefined && !published.keys.has(kid) && now - published.fetchedAt > refetchMs
    if (stale || mayHaveNew || !published) published = await this.#fetch(issuer)
    return published.keys.get(kid)
  }

  /** Concurrent requests share one fetch. */
  #fetch(authority: string): Promise<Published> {
    const running = this.#fetching.get(authority)
    if (running) return running
    const fetching = this.#fetchNow(authority).finally(() => this.#fetching.delete(authority))
    this.#fetching.set(authority, fetching)
    return fetching
  }

  async #fetchNow(authority: string): Promise<Published> {
    let body: unknown
    try {
      const url = findVerifier(this.#verifiers, authority)?.keys ?? `${authority}/certs`
      body = (await this.#wire.request({ method: 'GET', url, timeoutMs: 10_000 })).body
    } catch (cause) {
      throw unavailable(authority, cause)
    }
    const published = { keys: readKeys(body), fetchedAt: this.#clock.now().getTime() }
    this.#known.delete(authority)
    this.#known.set(authority, published)
    const oldest = this.#known.keys().next().value
    if (this.#known.size > authoritiesKept && oldest !== undefined) this.#known.delete(oldest)
    return published
  }
}

/** Unusable keys are left out: an authority may publish others for other purposes. */
function readKeys(body: unknown): Map<string, KeyObject> {
  const list = typeof body === 'object' && body !== null && 'keys' in body ? body.keys : undefined
  const keys = new Map<string, KeyObject>()
  if (!Array.isArray(list)) return keys
  for (const entry of list.slice(0, keysPerAuthority) as unknown[]) {
    const jwk = (entry ?? {}) as Record<string, unknown>
    if (typeof jwk.kid !== 'string' || jwk.kty !== 'RSA') continue
    if (jwk.use !== undefined && jwk.use !== 'sig') continue
    if (jwk.alg !== undefined && jwk.alg !== 'RS256') continue
    const key = keyOf(jwk)
    if (key && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= minimalModulusBits) keys.set(jwk.kid, key)
  }
  return keys
}

/** Azure's providers publish a certificate and no modulus. */
function keyOf(jwk: Record<string, unknown>): KeyObject | undefined {
  try {
    if (typeof jwk.n === 'string' && typeof jwk.e === 'string') {
      return createPublicKey({ key: { kty: 'RSA', n: jwk.n, e: jwk.e }, format: 'jwk' })
    }
    const leaf: unknown = Array.isArray(jwk.x5c) ? jwk.x5c[0] : undefined
    return typeof leaf === 'string' ? new X509Certificate(Buffer.from(leaf, 'base64')).publicKey : undefined
  } catch {
    return undefined
  }
}

function unavailable(authority: string, cause: unknown): ServiceError {
  return new ServiceError({
    code: 'AuthorityUnavailable',
    message: `The signing keys of ${authority} cannot be fetched.`,
    target: authority,
    remedy: 'Check that the attestation provider can be reached, then repeat the request.',
    headers: { 'retry-after': '5' },
    cause,
  })
}
