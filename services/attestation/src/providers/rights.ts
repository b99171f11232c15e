import { managementAudience, managementHost, type AccessQuestion } from '@strongroom/contract'
import { ServiceError, type Caller, type TokenSource, type WireClient } from '@strongroom/platform'
import type { Provider } from './providers.ts'

/** `Microsoft.Attestation/attestationProviders/attestation/{right}`, as granted by the roles Attestation Reader and Contributor. */
export type Right = 'read' | 'write' | 'delete'

/**
 * Rights to read and change a provider's policies: for a region's shared provider, the installation's owner; for a
 * tenant's, holders of a role there. The resource manager is asked at each call, so that a revoked role has no effect.
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

  /** @throws ServiceError 403 Forbidden; the resource manager's error if it cannot answer */
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
