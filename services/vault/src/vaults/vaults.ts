import {
  platformVault,
  type DeletedVaultRecord,
  type VaultDefinition,
  type VaultNameAvailability,
  type VaultRecord,
  type SettledCode,
} from '@strongroom/contract'
import { ServiceError, type Clock, type Store } from '@strongroom/platform'
import { badParameter, shown } from '../core/errors.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { vaultItself, whoOf, type By } from '../log/who.ts'
import { isVaultName } from '../core/names.ts'
import { parseVaultChange } from './definition.ts'
import type { VaultRepository } from './repository.ts'
import { deletedVaultRecordOf, vaultRecordOf, type StoredVault } from './vault.ts'

const nameRule = 'The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens.'

/** Tenants' vaults, as the resource manager creates, changes and deletes them. */
export class Vaults {
  readonly #o: { store: Store; repository: VaultRepository; log: OperationLog; clock: Clock }

  constructor(o: { store: Store; repository: VaultRepository; log: OperationLog; clock: Clock }) {
    this.#o = o
  }

  async put(by: By, given: string, body: unknown): Promise<{ record: VaultRecord; created: boolean }> {
    if (given.toLowerCase() === platformVault) throw nameInUse(platformVault)
    const name = checkVaultName(given)
    const { movedFrom, ...definition } = parseVaultChange(body)
    const { store, repository, clock } = this.#o
    return store.transaction(async (tx) => {
      const createdAt = clock.now().toISOString()
      const created = await repository.insert(tx, {
        name,
        resource_id: definition.resourceId,
        definition: JSON.stringify(definition),
        created_at: createdAt,
        deleted_at: null,
        purge_at: null,
      })
      if (created) {
        await this.#record(tx, by, 'vault/create', name)
        return { record: { ...definition, name, createdAt }, created }
      }
      const existing = await repository.lock(tx, name)
      if (!existing) throw vaultNotFound(name)
      this.#assertSame(existing, definition, movedFrom)
      const { resourceId } = definition
      await repository.change(tx, name, { resource_id: resourceId, definition: JSON.stringify(definition) })
      await this.#record(tx, by, 'vault/update', name)
      return { record: { ...definition, name, createdAt: existing.createdAt }, created }
    })
  }

  async get(given: string): Promise<VaultRecord> {
    const name = checkVaultName(given)
    const found = await this.#o.repository.find(name)
    if (!found || found.deletedAt !== undefined) throw vaultNotFound(name)
    return vaultRecordOf(found)
  }

  async delete(by: By, given: string): Promise<DeletedVaultRecord> {
    const name = checkVaultName(given)
    const { store, repository, clock } = this.#o
    return store.transaction(async (tx) => {
      const found = await repository.lock(tx, name)
      if (!found || found.deletedAt !== undefined) throw vaultNotFound(name)
      const deletedAt = Math.floor(clock.now().getTime() / 1000)
      const purgeAt = deletedAt + found.softDeleteRetentionInDays * 24 * 3600
      await repository.change(tx, name, { deleted_at: deletedAt, purge_at: purgeAt })
      await this.#record(tx, by, 'vault/delete', name)
      return deletedVaultRecordOf({ ...found, deletedAt, purgeAt })
    })
  }

  async listDeleted(): Promise<DeletedVaultRecord[]> {
    return (await this.#o.repository.deleted()).map(deletedVaultRecordOf)
  }

  async getDeleted(given: string): Promise<DeletedVaultRecord> {
    return deletedVaultRecordOf(await this.#findDeleted(given))
  }

  async recover(by: By, given: string): Promise<VaultRecord> {
    const { name } = await this.#findDeleted(given)
    const { store, repository } = this.#o
    return store.transaction(async (tx) => {
      const found = await repository.lock(tx, name)
      if (found?.deletedAt === undefined) throw deletedVaultNotFound(name)
      await repository.change(tx, name, { deleted_at: null, purge_at: null })
      await this.#record(tx, by, 'vault/recover', name)
      return vaultRecordOf(found)
    })
  }

  /** Permanent, with all contents. Purge protection holds until the retention ends, for everyone. */
  async purge(by: By, given: string): Promise<void> {
    const found = await this.#findDeleted(given)
    if (found.enablePurgeProtection) {
      throw new ServiceError({
        code: 'MethodNotAllowed',
        message: `Operation 'DeletedVaultPurge' is not allowed because purge protection is enabled for the vault '${found.name}'.`,
        target: found.name,
        expected: `purging by the service itself after ${deletedVaultRecordOf(found).scheduledPurgeDate}`,
        found: 'a request to purge',
        remedy: 'Recover the vault, or wait.',
      })
    }
    await this.#purge(by, found.name)
  }

  /** Purges vaults whose retention has ended. Returns how many. */
  async purgeDue(): Promise<number> {
    const now = Math.floor(this.#o.clock.now().getTime() / 1000)
    const due = await this.#o.repository.due(now)
    for (const name of due) await this.#purge(vaultItself, name, now)
    return due.length
  }

  /** Whether a vault of this name exists, even a deleted one. */
  async isKnown(given: string): Promise<boolean> {
    return isVaultName(given.toLowerCase()) && (await this.#o.repository.find(given.toLowerCase())) !== undefined
  }

  async availability(given: string): Promise<VaultNameAvailability> {
    const name = given.toLowerCase()
    if (!isVaultName(name)) {
      return {
        nameAvailable: false,
        reason: 'AccountNameInvalid',
        message: `Vault name must be between 3-24 alphanumeric characters. ${nameRule}`,
      }
    }
    const found = await this.#o.repository.find(name)
    if (!found && name !== platformVault) return { nameAvailable: true }
    const message =
      found?.deletedAt === undefined
        ? `The vault name '${name}' is already in use. Vault names are globally unique so it is possible that the name is already taken.`
        : `The vault name '${name}' belongs to a deleted vault, which can be recovered or purged.`
    return { nameAvailable: false, reason: 'AlreadyExists', message }
  }

  #assertSame(existing: StoredVault, definition: VaultDefinition, movedFrom: string | undefined): void {
    const conflict = (code: SettledCode, message: string, remedy: string): ServiceError =>
      new ServiceError({ code, message, target: existing.name, remedy })
    const known = [definition.resourceId, movedFrom].map((id) => id?.toLowerCase())
    if (!known.includes(existing.resourceId.toLowerCase())) {
      throw nameInUse(existing.name)
    }
    if (existing.deletedAt !== undefined) {
      throw conflict(
        'ConflictError',
        `A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault.`,
        'Recover or purge the deleted vault.',
      )
    }
    if (existing.enablePurgeProtection && !definition.enablePurgeProtection) {
      throw badParameter('The property "enablePurgeProtection" cannot be set to false. It is irreversible.', {
        target: 'enablePurgeProtection',
        expected: 'true',
        found: 'false',
      })
    }
    if (existing.softDeleteRetentionInDays !== definition.softDeleteRetentionInDays) {
      throw badParameter('The property "softDeleteRetentionInDays" has been set already and it can\'t be modified.', {
        target: 'softDeleteRetentionInDays',
        expected: String(existing.softDeleteRetentionInDays),
        found: String(definition.softDeleteRetentionInDays),
      })
    }
  }

  async #findDeleted(given: string): Promise<StoredVault> {
    const name = checkVaultName(given)
    const found = await this.#o.repository.find(name)
    if (found?.deletedAt === undefined) throw deletedVaultNotFound(name)
    return found
  }

  async #purge(by: By, name: string, dueAt?: number): Promise<void> {
    await this.#o.store.transaction(async (tx) => {
      const found = await this.#o.repository.lock(tx, name)
      if (found?.deletedAt === undefined) throw deletedVaultNotFound(name)
      // Recovered and deleted again since it became due.
      if (dueAt !== undefined && (found.purgeAt ?? 0) > dueAt) return
      await this.#o.repository.remove(tx, name)
      await this.#record(tx, by, 'vault/purge', name)
    })
  }

  async #record(tx: Parameters<OperationLog['appendIn']>[0], by: By, operation: string, vault: string): Promise<void> {
    await this.#o.log.appendIn(tx, { ...whoOf(by), operation, vault, keyName: '', verdict: 'allowed' })
  }
}

function checkVaultName(given: string): string {
  const name = given.toLowerCase()
  if (name === platformVault) throw vaultNotFound(name)
  if (isVaultName(name)) return name
  throw new ServiceError({
    code: 'VaultNameNotValid',
    message:
      `The vault name '${shown(given)}' is invalid. A vault's name must be between 3-24 alphanumeric characters. ` +
      `${nameRule} Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742`,
    target: 'name',
    expected: '3 to 24 letters, digits and single hyphens, beginning with a letter',
    found: shown(given),
    remedy: 'Use another name.',
  })
}

function nameInUse(name: string): ServiceError {
  return new ServiceError({
    code: 'VaultAlreadyExists',
    message:
      `The vault name '${name}' is already in use. Vault names are globally unique so it is possible that the name ` +
      'is already taken. If you are sure that the vault name was not taken then it is possible that a vault with ' +
      'the same name was recently deleted but not purged after being placed in a recoverable state.',
    target: name,
    remedy: 'Use another name.',
  })
}

function vaultNotFound(name: string): ServiceError {
  return new ServiceError({
    code: 'VaultNotFound',
    message: `The vault '${name}' was not found.`,
    target: name,
    remedy: 'Check the name of the vault.',
  })
}

function deletedVaultNotFound(name: string): ServiceError {
  return new ServiceError({
    code: 'DeletedVaultNotFound',
    message: `The specified deleted vault '${name}' does not exist.`,
    target: name,
    remedy: 'List the deleted vaults.',
  })
}
