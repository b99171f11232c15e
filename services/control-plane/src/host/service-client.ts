import { ServiceError, type TokenSource, type WireClient } from '@strongroom/platform'
import { onBehalfOfHeaders, type OnBehalfOf } from '../arm/on-behalf-of.ts'

interface Sent {
  body?: unknown
  /** The caller, for the log of a service that keeps one. */
  asker?: OnBehalfOf
  timeoutMs?: number
  accept?: 'json' | 'text'
}

/** Another service of the installation, called over its wire as the control plane's principal. */
export class ServiceClient {
  readonly #wire: WireClient
  readonly #tokens: TokenSource
  readonly #o: { audience: string; url: string; query?: string; timeoutMs?: number }

  /** @param o.url before each path @param o.query after it, for example ?api-version=7.4 */
  constructor(
    wire: WireClient,
    tokens: TokenSource,
    o: { audience: string; url: string; query?: string; timeoutMs?: number },
  ) {
    this.#wire = wire
    this.#tokens = tokens
    this.#o = o
  }

  /** @throws ServiceError with what the service refuses with */
  async send<T>(method: string, path: string, { asker, ...sent }: Sent = {}): Promise<T> {
    const { audience, url, query = '', ...usual } = this.#o
    const token = await this.#tokens.token('controlPlane', audience)
    const headers = onBehalfOfHeaders(asker)
    const request = { method, url: `${url}${path}${query}`, token, headers, ...usual, ...sent }
    return (await this.#wire.request<T>(request)).body
  }

  /** Like `send`; undefined if it does not exist. */
  async find<T>(method: string, path: string, sent: Sent = {}): Promise<T | undefined> {
    try {
      return await this.send<T>(method, path, sent)
    } catch (error) {
      if (error instanceof ServiceError && error.status === 404) return undefined
      throw error
    }
  }
}
