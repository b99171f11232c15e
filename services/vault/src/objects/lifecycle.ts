import { ServiceError, type Caller, type Clock, type DatabaseTransaction, type Store } from '@strongroom/platform'
import type { LogEntry } from '../log/entry.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { vaultItself, whoOf, type By } from '../log/who.ts'
import { forgetRemoved } from '../store/erasure.ts'
import type { ObjectRow, VersionRow } from '../store/tables.ts'
import type { Vault } from '../vaults/vault.ts'
import { folded } from '../core/names.ts'
import type { Name, ObjectRepository } from './repository.ts'
import type { DeletedAt, Versioned } from './versioned.ts'

/** What a request addresses. */
export interface Place {
  vault: Vault
  name: string
}

export interface LifecycleParts<V extends Versioned, Row extends VersionRow> {
  store: Store
  repository: ObjectRepository<V, Row>
  log: OperationLog
  clock: Clock
  /** The object's name in messages and codes. */
  noun: 'Key' | 'Secret' | 'Certificate'
  /** Operation-log entry for an operation on a version. */
  entry: (caller: By, operation: string, version: V) => LogEntry
  /** Objects of the same name that are deleted, recovered and purged with it. */
  companions?: readonly Pick<ObjectRepository<never, never>, 'lockObject' | 'setDeleted' | 'remove'>[]
  /** Runs after a requested purge; must not throw. */
  afterPurge?: (() => Promise<void>) | undefined
}

/** Soft delete, recovery and purge for keys, secrets and certificates alike. Permission has been checked before. */
export class Lifecycle<V extends Versioned, Row extends VersionRow> {
  readonly #o: LifecycleParts<V, Row>

  constructor(o: LifecycleParts<V, Row>) {
    this.#o = o
  }

  async get(place: Place, version?: string): Promise<V> {
    const found = await this.#o.repository.version({ ...nameOf(place), version })
    if (!found) throw this.notFound(place.name, version)
    return found
  }

  /** Soft-deletes all versions. */
  async delete(caller: Caller, place: Place): Promise<V & DeletedAt> {
    const { store, repository, log, entry } = this.#o
    const found = await this.get(place)
    const deletedAt = this.now()
    const deleted = { deletedAt, purgeAt: deletedAt + place.vault.softDeleteRetentionInDays * 24 * 3600 }
    await store.transaction(async (tx) => {
      const object = await repository.lockObject(tx, found)
      if (!object || isDeleted(object)) throw this.notFound(place.name)
      this.assertUnmanaged(object, place.name)
      await repository.setDeleted(tx, found, deleted)
      await this.#withCompanions(tx, (each) => each.setDeleted(tx, found, deleted), found)
      await log.appendIn(tx, entry(caller, 'delete', found))
    })
    return { ...found, ...deleted }
  }

  async getDeleted(place: Place): Promise<V & DeletedAt> {
    const object = await this.#o.repository.object(nameOf(place))
    const found = await this.#o.repository.version({ ...nameOf(place), deleted: true })
    if (!found || !object || !isDeleted(object)) throw this.#deletedNotFound(place.name)
    return { ...found, deletedAt: object.deleted_at, purgeAt: object.purge_at ?? object.deleted_at }
  }

  async recover(caller: Caller, place: Place): Promise<V> {
    const { store, repository, log, entry } = this.#o
    const found = await this.getDeleted(place)
    await store.transaction(async (tx) => {
      const object = await repository.lockObject(tx, found)
      if (!object || !isDeleted(object)) throw this.#deletedNotFound(place.name)
      this.assertUnmanaged(object, place.name)
      await repository.setDeleted(tx, found, undefined)
      await this.#withCompanions(tx, (each) => each.setDeleted(tx, found, undefined), found)
      await log.appendIn(tx, entry(caller, 'recover', found))
    })
    return this.get(place)
  }

  /** Permanent: the material of all versions is erased. Purge protection holds until the retention ends. */
  async purge(caller: Caller, place: Place): Promise<void> {
    const found = await this.getDeleted(place)
    if (place.vault.enablePurgeProtection) {
      throw new ServiceError({
        code: 'Forbidden',
        reason: 'ForbiddenByPolicy',
        message:
          'Operation "purge" is not allowed because purge protection is enabled for this vault. Key Vault service ' +
          'will automatically purge it after the retention period has passed.\r\n' +
          `Vault: ${place.vault.name};location=${place.vault.location}`,
        target: place.name,
        expected: `purging by the service itself after ${found.purgeAt}`,
        found: 'a request to purge',
        remedy: 'Recover it, or wait.',
      })
    }
    this.assertUnmanaged(await this.#o.repository.object(nameOf(place)), place.name)
    await this.#purge(found, caller)
    await forgetRemoved(this.#o.store)
    await this.#o.afterPurge?.()
  }

  /** Purges what was deleted before its recovery period. Returns how many were purged. */
  async purgeDue(): Promise<number> {
    const due = await this.#o.repository.due(this.now(), 200)
    for (const name of due) await this.#purge(name, vaultItself, this.now())
    if (due.length > 0) await forgetRemoved(this.#o.store)
    return due.length
  }

  /** Objects of a certificate change only with it. @throws ServiceError 403 ForbiddenByPolicy */
  assertUnmanaged(object: ObjectRow | undefined, name: string): void {
    if (object?.managed !== 1) return
    const noun = this.#o.noun.toLowerCase()
    throw new ServiceError({
      code: 'Forbidden',
      reason: 'ForbiddenByPolicy',
      message: `The ${noun} ${name} belongs to the certificate of the same name and is managed through it.`,
      target: name,
      expected: `a ${noun} of its own`,
      found: 'one of a certificate',
      remedy: 'Change, delete or recover the certificate: az keyvault certificate.',
    })
  }

  /** @throws ServiceError 409 if the name belongs to a deleted object, 403 if to a certificate */
  assertWritable(object: ObjectRow | undefined, name: string): void {
    this.assertUnmanaged(object, name)
    if (!object || !isDeleted(object)) return
    const noun = this.#o.noun
    throw new ServiceError({
      code: 'Conflict',
      reason: 'ObjectIsDeletedButRecoverable',
      message:
        `${noun} ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this ` +
        `state, the ${noun.toLowerCase()} can only be recovered or purged.`,
      target: name,
      expected: 'a name that is free or in use',
      found: 'the name of a deleted object',
      remedy: `Recover or purge the deleted ${noun.toLowerCase()} first.`,
    })
  }

  notFound(name: string, version?: string): ServiceError {
    const noun = this.#o.noun
    const what = version === undefined ? name : `${name}/${version}`
    return new ServiceError({
      code: notFoundCodes[noun],
      message:
        `A ${noun.toLowerCase()} with (name/id) ${what} was not found in this key vault. If you recently deleted ` +
        `this ${noun.toLowerCase()} you may be able to recover it using the correct recovery command. For help ` +
        'resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125182',
      target: what,
      remedy: `List the ${noun.toLowerCase()}s, or recover the deleted one.`,
    })
  }

  /** Seconds since 1970. */
  now(): number {
    return Math.floor(this.#o.clock.now().getTime() / 1000)
  }

  async #purge(name: Name, by: By, dueAt?: number): Promise<void> {
    const { store, repository, log } = this.#o
    await store.transaction(async (tx) => {
      const object = await repository.lockObject(tx, name)
      if (!object || !isDeleted(object)) throw this.#deletedNotFound(name.name)
      // Recovered and deleted again since it became due.
      if (dueAt !== undefined && (object.purge_at ?? 0) > dueAt) return
      await repository.remove(tx, name)
      await this.#withCompanions(tx, (each) => each.remove(tx, name), name)
      await log.appendIn(tx, {
        ...whoOf(by),
        operation: purges[this.#o.noun],
        vault: name.vault,
        keyName: name.name,
        verdict: 'allowed',
      })
    })
  }

  async #withCompanions(
    tx: DatabaseTransaction,
    work: (companion: NonNullable<LifecycleParts<V, Row>['companions']>[number]) => Promise<void>,
    name: Name,
  ): Promise<void> {
    for (const companion of this.#o.companions ?? []) {
      await companion.lockObject(tx, name)
      await work(companion)
    }
  }

  #deletedNotFound(name: string): ServiceError {
    const noun = this.#o.noun
    return new ServiceError({
      code: notFoundCodes[noun],
      message: `Deleted ${noun} not found: ${name}`,
      target: name,
      remedy: `List the deleted ${noun.toLowerCase()}s.`,
    })
  }
}

export function nameOf(place: Place): Name {
  return { vault: place.vault.name, name: folded(place.name) }
}

function isDeleted(object: ObjectRow): object is ObjectRow & { deleted_at: number } {
  return object.deleted_at !== null
}

const notFoundCodes = { Key: 'KeyNotFound', Secret: 'SecretNotFound', Certificate: 'CertificateNotFound' } as const
const purges = { Key: 'purge', Secret: 'secrets/purge', Certificate: 'certificates/purge' } as const
