import { managementAudience, managementHost, type AccessQuestion } from '@strongroom/contract'
import { ServiceError, type Caller, type TokenSource, type WireClient } from '@strongroom/platform'
import type { Provider } from './providers.ts'

/** `Microsoft.Attestation/attestationProviders/attestation/{right}`: what the roles Attestation Reader and Contributor give. */
export type Right = 'read' | 'write' | 'delete'

/**
 * Who may read and change the policies of a provider: for the one that a region shares, the owner of the installation; for a tenant's
 * own, whoever has a role there. The resource manager is asked at each call, so that a role that was taken away counts for nothing.
 */
export class Rights {
  readonly #wire: WireClient
  readonly #tokens: TokenSource
  readonly #isOwner: (objectId: string) => boolean

  constructor(o: { wire: WireClient; tokens: TokenSource; isOwner: (objectId: string) => boolean }) {
    this.#wire = o.wire
    this.#tokens = o.tokens
    this.#isOwner = o.isOwner
  }

  /** @throws ServiceError 403 Forbidden; what the resource manager answers where it cannot say */
  async require(caller: Caller, provider: Provider, right: Right): Promise<void> {
    if (await this.#allows(caller, provider, right)) return
    const role = right === 'read' ? 'Attestation Reader' : 'Attestation Contributor'
    const shared = provider.resourceId === undefined
    throw new ServiceError({
      code: 'Forbidden',
      message: `The caller ${caller.objectId} may not ${right === 'read' ? 'read' : 'change'} the policies of ${provider.host}.`,
      expected: shared ? 'the owner of this installation' : `a role at the provider, for example ${role}`,
      found: caller.objectId,
      remedy: shared
        ? 'Sign in as the owner, or create a provider of your own: all regions share this one.'
        : `Have an owner assign ${role} at ${provider.resourceId}.`,
    })
  }

  async #allows(caller: Caller, provider: Provider, right: Right): Promise<boolean> {
    if (provider.resourceId === undefined) return this.#isOwner(caller.objectId)
    const question: AccessQuestion = {
      principalId: caller.objectId,
      action: `Microsoft.Attestation/attestationProviders/attestation/${right}`,
    }
    const { body } = await this.#wire.request<{ allowed?: unknown }>({
      method: 'POST',
      url: `https://${managementHost}${provider.resourceId}/providers/Strongroom.Authorization/checkAccess?api-version=2025-06-01`,
      body: question,
      token: await this.#tokens.token('attestation', managementAudience),
    })
    return body.allowed === true
  }
}
