import { createHash, randomBytes, sign, type KeyObject } from 'node:crypto'
import type { Clock } from '@strongroom/platform'
import { UnsecuredJWT, type JWTPayload } from 'jose'
import type { SigningKeys } from '../keys/signing-keys.ts'
import type { Provider } from '../providers/providers.ts'

/** 8 hours: the actual lifetime of Azure's tokens, although its documentation states a day. */
export const defaultLifeSeconds: number = 8 * 3600

const idBytes = 32

export interface IssuedToken {
  token: string
  id: string
}

/** Signs a provider's tokens: RS256, header `alg, jku, kid, typ`, claims in alphabetical order as in Azure's. */
export class TokenIssuer {
  readonly #keys: SigningKeys
  readonly #clock: Clock
  #drawn: Buffer = Buffer.alloc(0)

  constructor(o: { keys: SigningKeys; clock: Clock }) {
    this.#keys = o.keys
    this.#clock = o.clock
  }

  /** @param omitX5c the policy's property of that name */
  async sign(
    provider: Provider,
    claims: Record<string, unknown>,
    lifeSeconds: number = defaultLifeSeconds,
    omitX5c?: unknown,
  ): Promise<IssuedToken> {
    const { kid, privateKey } = await this.#keys.current(provider)
    const { payload, id } = this.#payload(provider, claims, lifeSeconds)
    const certificate = await this.#certificateMember(provider, kid, omitX5c)
    const header = { alg: 'RS256', jku: `${provider.issuer}/certs`, kid, typ: 'JWT', ...certificate }
    return { token: signed(header, payload, privateKey), id }
  }

  /**
   * The property `omit_x5c` puts the certificate's thumbprint (true) or the certificate (false) into the header.
   * Azure's tokens contain neither unless a policy sets it, whatever default the documentation states.
   */
  async #certificateMember(
    provider: Provider,
    kid: string,
    omitX5c: unknown,
  ): Promise<{ x5t?: string; x5c?: string[] }> {
    if (typeof omitX5c !== 'boolean') return {}
    const certificate = await this.#keys.certificate(provider, kid)
    return omitX5c
      ? { x5t: createHash('sha1').update(certificate).digest('base64url') }
      : { x5c: [certificate.toString('base64')] }
  }

  /** For draft policies: shows the claims, and no verifier accepts it (`alg` none, no signature). */
  unsigned(provider: Provider, claims: Record<string, unknown>): IssuedToken {
    const { payload, id } = this.#payload(provider, claims, defaultLifeSeconds)
    return { token: new UnsecuredJWT(payload).encode(), id }
  }

  /** 32 random bytes in hexadecimal, drawn many at a time because each draw is a system call. */
  #newId(): string {
    if (this.#drawn.length < idBytes) this.#drawn = randomBytes(128 * idBytes)
    const id = this.#drawn.toString('hex', 0, idBytes)
    this.#drawn = this.#drawn.subarray(idBytes)
    return id
  }

  #payload(
    provider: Provider,
    claims: Record<string, unknown>,
    lifeSeconds: number,
  ): { payload: JWTPayload; id: string } {
    const now = Math.floor(this.#clock.now().getTime() / 1000)
    const id = this.#newId()
    // The service's own claims come last: nothing from a request can replace them.
    const all = {
      ...claims,
      iss: provider.issuer,
      iat: now,
      nbf: now,
      exp: now + lifeSeconds,
      jti: id,
      // An EAT states its version by its profile.
      ...('eat_profile' in claims && 'submods' in claims ? {} : { 'x-ms-ver': '1.0' }),
    }
    const sorted = Object.entries(all).toSorted(([left], [right]) => (left < right ? -1 : 1))
    return { payload: Object.fromEntries(sorted), id }
  }
}

/**
 * JWS in compact form (RFC 7515 section 7.1), RS256. Calls the cryptography directly, because each attest call waits
 * for it: WebCrypto and its thread pool add half the cost of the signature.
 */
function signed(header: Record<string, unknown>, payload: JWTPayload, key: KeyObject): string {
  const input = [header, payload].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}
