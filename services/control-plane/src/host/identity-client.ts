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

/** The installation's directory: identities of resources, and who is in which group. */
export class IdentityClient {
  readonly #service: ServiceClient

  constructor(o: { wire: WireClient; tokens: TokenSource; tenantId: string }) {
    const url = `${identityAudience}/${o.tenantId}`
    this.#service = new ServiceClient(o.wire, o.tokens, { audience: identityAudience, url })
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

  /** Whose tokens sign in as a user-assigned identity, by name. @param resourceId its ARM id */
  async federatedCredentials(resourceId: string): Promise<FederatedCredential[]> {
    const query = new URLSearchParams({ resourceId }).toString()
    const path = `/managedIdentities/federatedCredentials?${query}`
    return (await this.#service.send<FederatedCredentials>('GET', path)).value
  }

  /** Makes it, or changes the one of its name. @throws ServiceError Request_MultipleObjectsWithSameKeyValue, TooManyCredentials */
  async setFederatedCredential(o: FederatedCredentialRequest): Promise<FederatedCredential> {
    return await this.#send<FederatedCredential>('PUT', o, '/federatedCredentials')
  }

  /** Idempotent. */
  async removeFederatedCredential(o: FederatedCredentialName): Promise<void> {
    await this.#send('DELETE', o, '/federatedCredentials')
  }

  /** What the directory has under an object id, and the groups that it is in. */
  async lookUp(objectId: string): Promise<MemberGroups> {
    return await this.#service.send('GET', `/memberGroups/${encodeURIComponent(objectId)}`)
  }

  async #send<T>(method: string, body: object, path: string = ''): Promise<T> {
    return await this.#service.send<T>(method, `/managedIdentities${path}`, { body })
  }
}
