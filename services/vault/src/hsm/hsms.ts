import {
  type DeletedManagedHsmRecord,
  type ManagedHsmDefinition,
  type ManagedHsmRecord,
  type VaultNameAvailability,
} from '@strongroom/contract'
import { managedHsmDefinition } from '@strongroom/contract/wires'
import { read, ServiceError, type Clock, type Store } from '@strongroom/platform'
import { randomUUID } from 'node:crypto'
import { badParameter, shown } from '../core/errors.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { isVaultName } from '../core/names.ts'
import { vaultItself, type By } from '../log/who.ts'
import { recordInHsmLog } from './record.ts'
import { fromRow, type HsmRepository, type StoredHsm } from './repository.ts'
import { administratorRole } from './roles.ts'

/** The resource manager's operations on managed HSMs. */
export class Hsms {
  readonly #o: { store: Store; repository: HsmRepository; log: OperationLog; clock: Clock }

  constructor(o: { store: Store; repository: HsmRepository; log: OperationLog; clock: Clock }) {
    this.#o = o
  }

  /** Created with its first administrators; later only tags and purge protection change. */
  async put(by: By, given: string, body: unknown): Promise<{ record: ManagedHsmRecord; created: boolean }> {
    const name = checkName(given)
    const definition = definitionOf(body)
    const { store, repository, clock } = this.#o
    return store.transaction(async (tx) => {
      const row = {
        name,
        definition: JSON.stringify(definition),
        created_at: clock.now().toISOString(),
        deleted_at: null,
        purge_at: null,
        domain_key: null,
        transfer_key: null,
        transfer_certificate: null,
      }
      if (await repository.insert(tx, row)) {
        for (const principalId of definition.initialAdminObjectIds) {
          const assignment = { id: randomUUID(), scope: '/', roleId: administratorRole, principalId }
          await repository.insertAssignment(tx, name, assignment)
        }
        await recordInHsmLog(this.#o.log, tx, { by: by, operation: 'hsm/create', name: name })
        return { record: recordOf(fromRow(row)), created: true }
      }
      const existing = await repository.lock(tx, name)
      if (!existing || existing.deleted_at !== null) throw taken(name)
      const stored = fromRow(existing)
      if (stored.resourceId.toLowerCase() !== definition.resourceId.toLowerCase()) throw taken(name)
      if (stored.enablePurgeProtection && !definition.enablePurgeProtection) {
        throw badParameter('Purge protection cannot be turned off.', {
          target: 'enablePurgeProtection',
          expected: 'true',
          found: 'false',
        })
      }
      const { tags, enablePurgeProtection } = definition
      const kept = { ...(JSON.parse(existing.definition) as ManagedHsmDefinition), tags, enablePurgeProtection }
      await repository.change(tx, name, { definition: JSON.stringify(kept) })
      await recordInHsmLog(this.#o.log, tx, { by: by, operation: 'hsm/update', name: name })
      return { record: recordOf({ ...stored, ...kept }), created: false }
    })
  }

  async get(given: string): Promise<ManagedHsmRecord> {
    const found = await this.#o.repository.find(given.toLowerCase())
    if (!found || found.deletedAt !== undefined) throw notFound(given)
    return recordOf(found)
  }

  /** Whether an HSM of this name exists, even a deleted one. */
  async isKnown(given: string): Promise<boolean> {
    return (await this.#o.repository.find(given.toLowerCase())) !== undefined
  }

  async availability(given: string): Promise<VaultNameAvailability> {
    if (!isVaultName(given.toLowerCase())) {
      const message = 'The name must have 3 to 24 letters, digits and single hyphens, and begin with a letter.'
      return { nameAvailable: false, reason: 'AccountNameInvalid', message }
    }
    if (!(await this.#o.repository.find(given.toLowerCase()))) return { nameAvailable: true }
    return {
      nameAvailable: false,
      reason: 'AlreadyExists',
      message: `The name '${given}' is in use, or belongs to a deleted resource.`,
    }
  }

  /** Soft delete. */
  async delete(by: By, given: string): Promise<DeletedManagedHsmRecord> {
    const { store, repository } = this.#o
    const name = given.toLowerCase()
    return store.transaction(async (tx) => {
      const row = await repository.lock(tx, name)
      if (!row || row.deleted_at !== null) throw notFound(given)
      const stored = fromRow(row)
      const deletedAt = this.#now()
      const purgeAt = deletedAt + stored.softDeleteRetentionInDays * 24 * 3600
      await repository.change(tx, name, { deleted_at: deletedAt, purge_at: purgeAt })
      await recordInHsmLog(this.#o.log, tx, { by: by, operation: 'hsm/delete', name: name })
      return deletedRecordOf({ ...stored, deletedAt, purgeAt })
    })
  }

  async listDeleted(): Promise<DeletedManagedHsmRecord[]> {
    return (await this.#o.repository.listDeleted()).map(deletedRecordOf)
  }

  async getDeleted(given: string): Promise<DeletedManagedHsmRecord> {
    const found = await this.#o.repository.find(given.toLowerCase())
    if (found?.deletedAt === undefined) throw notFound(given)
    return deletedRecordOf(found)
  }

  async recover(by: By, given: string): Promise<ManagedHsmRecord> {
    const { store, repository } = this.#o
    const name = given.toLowerCase()
    return store.transaction(async (tx) => {
      const row = await repository.lock(tx, name)
      if (!row || row.deleted_at === null) throw notFound(given)
      await repository.change(tx, name, { deleted_at: null, purge_at: null })
      await recordInHsmLog(this.#o.log, tx, { by: by, operation: 'hsm/recover', name: name })
      return recordOf(fromRow({ ...row, deleted_at: null, purge_at: null }))
    })
  }

  async purge(by: By, given: string): Promise<void> {
    const found = await this.getDeleted(given)
    if (found.enablePurgeProtection) {
      throw new ServiceError({
        code: 'Conflict',
        message: `The managed HSM ${found.name} has purge protection.`,
        target: found.name,
        expected: `purging by the service itself after ${found.scheduledPurgeDate}`,
        found: 'a request to purge',
        remedy: 'Wait until then.',
      })
    }
    await this.#purge(by, found.name)
  }

  /** Returns how many were purged. */
  async purgeDue(): Promise<number> {
    const due = await this.#o.repository.due(this.#now())
    for (const name of due) await this.#purge(vaultItself, name, this.#now())
    return due.length
  }

  async #purge(by: By, name: string, dueAt?: number): Promise<void> {
    const { store, repository } = this.#o
    await store.transaction(async (tx) => {
      const row = await repository.lock(tx, name)
      if (!row || row.deleted_at === null) throw notFound(name)
      // Recovered and deleted again since it became due.
      if (dueAt !== undefined && (row.purge_at ?? 0) > dueAt) return
      await repository.remove(tx, name)
      await recordInHsmLog(this.#o.log, tx, { by: by, operation: 'hsm/purge', name: name })
    })
  }

  #now(): number {
    return Math.floor(this.#o.clock.now().getTime() / 1000)
  }
}

/** @throws ServiceError 400 BadParameter with the place */
function definitionOf(body: unknown): ManagedHsmDefinition {
  const definition = read(managedHsmDefinition, body, {
    code: 'BadParameter',
    subject: 'The definition of the managed HSM',
  })
  const admins = definition.initialAdminObjectIds.map((id) => id.toLowerCase())
  return { ...definition, initialAdminObjectIds: [...new Set(admins)] }
}

function recordOf({ deletedAt: _deleted, purgeAt: _purge, ...hsm }: StoredHsm): ManagedHsmRecord {
  return hsm
}

function deletedRecordOf(hsm: StoredHsm): DeletedManagedHsmRecord {
  const iso = (seconds = 0): string => new Date(seconds * 1000).toISOString()
  return { ...recordOf(hsm), deletionDate: iso(hsm.deletedAt), scheduledPurgeDate: iso(hsm.purgeAt) }
}

function checkName(given: string): string {
  const name = given.toLowerCase()
  if (isVaultName(name)) return name
  throw badParameter('The name of the managed HSM is invalid.', {
    target: 'name',
    expected: '3 to 24 letters, digits and single hyphens, beginning with a letter',
    found: shown(given),
  })
}

function notFound(name: string): ServiceError {
  return new ServiceError({
    code: 'ManagedHsmNotFound',
    message: `The managed HSM '${shown(name)}' was not found.`,
    target: shown(name),
    remedy: 'Check its name.',
  })
}

function taken(name: string): ServiceError {
  return new ServiceError({
    code: 'Conflict',
    message: `The name '${name}' belongs to another managed HSM, or to a deleted one.`,
    target: name,
    expected: 'a free name',
    found: 'one in use',
    remedy: 'Choose another name, or recover or purge the deleted HSM.',
  })
}
