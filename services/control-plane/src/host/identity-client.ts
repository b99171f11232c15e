import {
  identityAudience,
  type FederatedCredential,
  type FederatedCredentialName,
  type FederatedCredentialRequest,
  type FederatedCredentials,
  type ManagedIdentity,
  type ManagedIdentityAssignments,
  type MemberGroups,
} from '@strongroom/contract'
import type { TokenSource, WireClient } from '@strongroom/platform'
import { ServiceClient } from './service-client.ts'

/** The installation's directory: identities of resources, and group memberships. */
export class IdentityClient {
  readonly #service: ServiceClient

  constructor(o: { wire: WireClient; tokens: TokenSource; tenantId: string }) {
    const url = `${identityAudience}/${o.tenantId}`
    this.#service = new ServiceClient(o.wire, o.tokens, { audience: identityAudience, url })
  }

  /** The resource's identity, created if missing. */
  async ensure(o: { resourceId: string; displayName: string }): Promise<ManagedIdentity> {
    return await this.#send<ManagedIdentity>('PUT', o)
  }

  /** Permanently removes its principal: its roles belong to nobody. Idempotent. */
  async remove(resourceId: string): Promise<void> {
    await this.#send('DELETE', { resourceId })
  }

  /** Assigns the resource exactly these user-assigned identities. Idempotent. */
  async assign(resourceId: string, clientIds: string[]): Promise<void> {
    await this.#send('PUT', { resourceId, clientIds } satisfies ManagedIdentityAssignments, '/assignments')
  }

  /** Whose tokens sign in as a user-assigned identity, by name. @param resourceId its ARM id */
  async federatedCredentials(resourceId: string): Promise<FederatedCredential[]> {
    const query = new URLSearchParams({ resourceId }).toString()
    const path = `/managedIdentities/federatedCredentials?${query}`
    return (await this.#service.send<FederatedCredentials>('GET', path)).value
  }

  /** Creates it, or changes the one with its name. @throws ServiceError Request_MultipleObjectsWithSameKeyValue, TooManyCredentials */
  async setFederatedCredential(o: FederatedCredentialRequest): Promise<FederatedCredential> {
    return await this.#send<FederatedCredential>('PUT', o, '/federatedCredentials')
  }

  /** Idempotent. */
  async removeFederatedCredential(o: FederatedCredentialName): Promise<void> {
    await this.#send('DELETE', o, '/federatedCredentials')
  }

  /** The directory's entry for an object id, and its groups. */
  async lookUp(objectId: string): Promise<MemberGroups> {
    return await this.#service.send('GET', `/memberGroups/${encodeURIComponent(objectId)}`)
  }

  async #send<T>(method: string, body: object, path: string = ''): Promise<T> {
    return await this.#service.send<T>(method, `/managedIdentities${path}`, { body })
  }
}
