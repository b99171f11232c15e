import {
  vaultManagementApiVersion,
  vaultManagementAudience,
  vaultManagementHost,
  type DeletedManagedHsmRecord,
  type DeletedVaultRecord,
  type KeyBundle,
  type ManagedHsmDefinition,
  type ManagedHsmRecord,
  type SecretItem,
  type VaultChange,
  type VaultNameAvailability,
  type VaultRecord,
} from '@strongroom/contract'
import { ServiceError, type TokenSource, type WireClient } from '@strongroom/platform'
import { onBehalfOfHeaders, type OnBehalfOf } from '../../arm/on-behalf-of.ts'

const objectPath = (vault: string, kind: 'keys' | 'secrets', name: string): string =>
  `/vaults/${encodeURIComponent(vault)}/${kind}/${encodeURIComponent(name)}`

/** The key service's own wire for vaults, called as the control plane's principal, which says who asked for a change. */
export class VaultClient {
  readonly #wire: WireClient
  readonly #tokens: TokenSource

  constructor(wire: WireClient, tokens: TokenSource) {
    this.#wire = wire
    this.#tokens = tokens
  }

  /** Makes the vault or changes it. @throws ServiceError 409 VaultAlreadyExists, ConflictError, 400 BadParameter */
  async put(asker: OnBehalfOf, name: string, definition: VaultChange): Promise<VaultRecord> {
    return await this.#send(asker, 'PUT', `/vaults/${encodeURIComponent(name)}`, definition)
  }

  async get(name: string): Promise<VaultRecord> {
    return await this.#send(undefined, 'GET', `/vaults/${encodeURIComponent(name)}`)
  }

  /** Soft delete; a vault that is not there is deleted. */
  async delete(asker: OnBehalfOf, name: string): Promise<void> {
    await this.#orMissing(this.#send(asker, 'DELETE', `/vaults/${encodeURIComponent(name)}`))
  }

  async availability(name: string): Promise<VaultNameAvailability> {
    return await this.#send(undefined, 'GET', `/availability/${encodeURIComponent(name)}`)
  }

  async listDeleted(): Promise<DeletedVaultRecord[]> {
    return (await this.#send<{ value: DeletedVaultRecord[] }>(undefined, 'GET', '/deletedvaults')).value
  }

  async findDeleted(name: string): Promise<DeletedVaultRecord | undefined> {
    return await this.#orMissing(this.#send(undefined, 'GET', `/deletedvaults/${encodeURIComponent(name)}`))
  }

  async recover(asker: OnBehalfOf, name: string): Promise<VaultRecord> {
    return await this.#send(asker, 'POST', `/deletedvaults/${encodeURIComponent(name)}/recover`)
  }

  async purge(asker: OnBehalfOf, name: string): Promise<void> {
    await this.#send(asker, 'DELETE', `/deletedvaults/${encodeURIComponent(name)}`)
  }

  /** The key's newest version; of a key that is there nothing is changed. @throws ServiceError 400 BadParameter, 409 */
  async ensureKey(asker: OnBehalfOf, vault: string, name: string, wanted: object): Promise<KeyBundle> {
    return await this.#send(asker, 'PUT', objectPath(vault, 'keys', name), wanted)
  }

  /** @throws ServiceError 404 KeyNotFound */
  async getKey(vault: string, name: string): Promise<KeyBundle> {
    return await this.#send(undefined, 'GET', objectPath(vault, 'keys', name))
  }

  /** A new version. @throws ServiceError 400 BadParameter, 409 */
  async setSecret(asker: OnBehalfOf, vault: string, name: string, wanted: object): Promise<SecretItem> {
    return await this.#send(asker, 'PUT', objectPath(vault, 'secrets', name), wanted)
  }

  /** Without its value. @throws ServiceError 404 SecretNotFound */
  async getSecret(vault: string, name: string): Promise<SecretItem> {
    return await this.#send(undefined, 'GET', objectPath(vault, 'secrets', name))
  }

  /** Makes the managed HSM or changes it. @throws ServiceError 409 Conflict, 400 BadParameter */
  async putHsm(asker: OnBehalfOf, name: string, definition: ManagedHsmDefinition): Promise<ManagedHsmRecord> {
    return await this.#send(asker, 'PUT', `/managedhsms/${encodeURIComponent(name)}`, definition)
  }

  async getHsm(name: string): Promise<ManagedHsmRecord> {
    return await this.#send(undefined, 'GET', `/managedhsms/${encodeURIComponent(name)}`)
  }

  /** Soft delete; one that is not there is deleted. */
  async deleteHsm(asker: OnBehalfOf, name: string): Promise<void> {
    await this.#orMissing(this.#send(asker, 'DELETE', `/managedhsms/${encodeURIComponent(name)}`))
  }

  async hsmAvailability(name: string): Promise<VaultNameAvailability> {
    return await this.#send(undefined, 'GET', `/hsmavailability/${encodeURIComponent(name)}`)
  }

  async listDeletedHsms(): Promise<DeletedManagedHsmRecord[]> {
    return (await this.#send<{ value: DeletedManagedHsmRecord[] }>(undefined, 'GET', '/deletedmanagedhsms')).value
  }

  async findDeletedHsm(name: string): Promise<DeletedManagedHsmRecord | undefined> {
    return await this.#orMissing(this.#send(undefined, 'GET', `/deletedmanagedhsms/${encodeURIComponent(name)}`))
  }

  async recoverHsm(asker: OnBehalfOf, name: string): Promise<ManagedHsmRecord> {
    return await this.#send(asker, 'POST', `/deletedmanagedhsms/${encodeURIComponent(name)}/recover`)
  }

  async purgeHsm(asker: OnBehalfOf, name: string): Promise<void> {
    await this.#send(asker, 'DELETE', `/deletedmanagedhsms/${encodeURIComponent(name)}`)
  }

  async #send<T>(asker: OnBehalfOf, method: string, path: string, body?: unknown): Promise<T> {
    const { body: answer } = await this.#wire.request<T>({
      method,
      url: `https://${vaultManagementHost}${path}?api-version=${vaultManagementApiVersion}`,
      token: await this.#tokens.token('controlPlane', vaultManagementAudience),
      headers: onBehalfOfHeaders(asker),
      ...(body !== undefined && { body }),
    })
    return answer
  }

  async #orMissing<T>(sent: Promise<T>): Promise<T | undefined> {
    try {
      return await sent
    } catch (error) {
      if (error instanceof ServiceError && error.status === 404) return undefined
      throw error
    }
  }
}
