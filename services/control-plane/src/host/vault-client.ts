import {
  vaultManagementApiVersion,
  vaultManagementAudience,
  vaultManagementHost,
  type DeletedManagedHsmRecord,
  type DeletedVaultRecord,
  type FirmwareUpdates,
  type KeyBundle,
  type ManagedHsmDefinition,
  type ManagedHsmRecord,
  type SecretItem,
  type VaultChange,
  type VaultNameAvailability,
  type VaultRecord,
} from '@strongroom/contract'
import type { TokenSource, WireClient } from '@strongroom/platform'
import type { OnBehalfOf } from '../arm/on-behalf-of.ts'
import { ServiceClient } from './service-client.ts'

const objectPath = (vault: string, kind: 'keys' | 'secrets', name: string): string =>
  `/vaults/${encodeURIComponent(vault)}/${kind}/${encodeURIComponent(name)}`

/** A kind of what the key service soft-deletes, by its paths there: vaults, or managed HSMs. */
export class SoftDeleted<Definition, Held, Deleted> {
  readonly #service: ServiceClient
  readonly #paths: { held: string; deleted: string; availability: string }

  constructor(service: ServiceClient, paths: { held: string; deleted: string; availability: string }) {
    this.#service = service
    this.#paths = paths
  }

  /** Creates or changes it. @throws ServiceError 409 if its name is taken, 400 BadParameter */
  async put(asker: OnBehalfOf, name: string, definition: Definition): Promise<Held> {
    return await this.#service.send('PUT', `${this.#paths.held}/${encodeURIComponent(name)}`, {
      asker,
      body: definition,
    })
  }

  async get(name: string): Promise<Held> {
    return await this.#service.send('GET', `${this.#paths.held}/${encodeURIComponent(name)}`)
  }

  /** Soft-deletes it; a missing one counts as deleted. */
  async delete(asker: OnBehalfOf, name: string): Promise<void> {
    await this.#service.find('DELETE', `${this.#paths.held}/${encodeURIComponent(name)}`, { asker })
  }

  async availability(name: string): Promise<VaultNameAvailability> {
    return await this.#service.send('GET', `${this.#paths.availability}/${encodeURIComponent(name)}`)
  }

  async listDeleted(): Promise<Deleted[]> {
    return (await this.#service.send<{ value: Deleted[] }>('GET', this.#paths.deleted)).value
  }

  async findDeleted(name: string): Promise<Deleted | undefined> {
    return await this.#service.find('GET', `${this.#paths.deleted}/${encodeURIComponent(name)}`)
  }

  async recover(asker: OnBehalfOf, name: string): Promise<Held> {
    return await this.#service.send('POST', `${this.#paths.deleted}/${encodeURIComponent(name)}/recover`, { asker })
  }

  async purge(asker: OnBehalfOf, name: string): Promise<void> {
    await this.#service.send('DELETE', `${this.#paths.deleted}/${encodeURIComponent(name)}`, { asker })
  }
}

/** The key service's own wire for vaults, called as the control plane's principal with the caller of a change. */
export class VaultClient extends SoftDeleted<VaultChange, VaultRecord, DeletedVaultRecord> {
  readonly hsms: SoftDeleted<ManagedHsmDefinition, ManagedHsmRecord, DeletedManagedHsmRecord>
  readonly #service: ServiceClient

  constructor(wire: WireClient, tokens: TokenSource) {
    const [url, query] = [`https://${vaultManagementHost}`, `?api-version=${vaultManagementApiVersion}`]
    const service = new ServiceClient(wire, tokens, { audience: vaultManagementAudience, url, query })
    super(service, { held: '/vaults', deleted: '/deletedvaults', availability: '/availability' })
    const hsmPaths = { held: '/managedhsms', deleted: '/deletedmanagedhsms', availability: '/hsmavailability' }
    this.hsms = new SoftDeleted(service, hsmPaths)
    this.#service = service
  }

  /** The key's newest version; an existing key is unchanged. @throws ServiceError 400 BadParameter, 409 */
  async ensureKey(asker: OnBehalfOf, vault: string, name: string, wanted: object): Promise<KeyBundle> {
    return await this.#service.send('PUT', objectPath(vault, 'keys', name), { asker, body: wanted })
  }

  /** @throws ServiceError 404 KeyNotFound */
  async getKey(vault: string, name: string): Promise<KeyBundle> {
    return await this.#service.send('GET', objectPath(vault, 'keys', name))
  }

  /** A new version. @throws ServiceError 400 BadParameter, 409 */
  async setSecret(asker: OnBehalfOf, vault: string, name: string, wanted: object): Promise<SecretItem> {
    return await this.#service.send('PUT', objectPath(vault, 'secrets', name), { asker, body: wanted })
  }

  /** Sets which firmware a VM's owner allows. Idempotent. @param vmId upper case */
  async allowFirmware(asker: OnBehalfOf, vmId: string, updates: FirmwareUpdates): Promise<void> {
    await this.#service.send('PUT', `/vms/${vmId}/firmware`, { asker, body: { updates } })
  }

  /** For a deleted VM. Idempotent. */
  async forgetFirmware(asker: OnBehalfOf, vmId: string): Promise<void> {
    await this.#service.send('DELETE', `/vms/${vmId}/firmware`, { asker })
  }

  /** Without its value. @throws ServiceError 404 SecretNotFound */
  async getSecret(vault: string, name: string): Promise<SecretItem> {
    return await this.#service.send('GET', objectPath(vault, 'secrets', name))
  }
}
