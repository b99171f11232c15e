import { identityAudience, type ManagedIdentity, type ManagedIdentityAssignments } from '@strongroom/contract'
import type { TokenSource, WireClient } from '@strongroom/platform'

/** Identities of resources, in the installation's directory. */
export class IdentityClient {
  readonly #wire: WireClient
  readonly #tokens: TokenSource
  readonly #url: string

  constructor(o: { wire: WireClient; tokens: TokenSource; tenantId: string }) {
    this.#wire = o.wire
    this.#tokens = o.tokens
    this.#url = `${identityAudience}/${o.tenantId}/managedIdentities`
  }

  /** The resource's identity, made where it has none. */
  async ensure(o: { resourceId: string; displayName: string }): Promise<ManagedIdentity> {
    return await this.#send<ManagedIdentity>('PUT', o)
  }

  /** Its principal is gone for good: roles that it had are nobody's. Idempotent. */
  async remove(resourceId: string): Promise<void> {
    await this.#send('DELETE', { resourceId })
  }

  /** The resource has these user-assigned identities and no others. Idempotent. */
  async assign(resourceId: string, clientIds: string[]): Promise<void> {
    await this.#send('PUT', { resourceId, clientIds } satisfies ManagedIdentityAssignments, '/assignments')
  }

  async #send<T>(method: string, body: object, path: string = ''): Promise<T> {
    const token = await this.#tokens.token('controlPlane', identityAudience)
    return (await this.#wire.request<T>({ method, url: `${this.#url}${path}`, token, body })).body
  }
}
