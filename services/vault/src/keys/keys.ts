import { randomBytes } from 'node:crypto'
import { platformVault } from '@strongroom/contract'
import { ServiceError, type Caller, type Clock, type DatabaseTransaction, type Store } from '@strongroom/platform'
import { badParameter, keyNotFound } from '../errors.ts'
import type { Keystore } from '../keystore/keystore.ts'
import type { LogEntry } from '../log/entry.ts'
import type { OperationLog } from '../log/operation-log.ts'
import type { KeyObjectRow } from '../store/migrations.ts'
import { parseCreate, parseUpdate, type KeyChange } from './input.ts'
import { bindingOf, policyHash, type KeyPolicy, type KeyVersion } from './key-version.ts'
import { folded } from './names.ts'
import type { DeletedAt, KeyRepository } from './repository.ts'
import { recoverableDays } from './retention.ts'

export type DeletedKey = KeyVersion & DeletedAt

interface Place {
  vault: string
  name: string
}

/** What callers do with keys, release excepted. Permission has been checked before. */
export class Keys {
  readonly #store: Store
  readonly #repository: KeyRepository
  readonly #keystore: Keystore
  readonly #log: OperationLog
  readonly #clock: Clock

  constructor(o: { store: Store; repository: KeyRepository; keystore: Keystore; log: OperationLog; clock: Clock }) {
    this.#store = o.store
    this.#repository = o.repository
    this.#keystore = o.keystore
    this.#log = o.log
    this.#clock = o.clock
  }

  /** A new key, or a new version of a key that exists. */
  async create(caller: Caller, place: Place, body: unknown): Promise<KeyVersion> {
    const wanted = parseCreate(body)
    const name = folded(place.name)
    const existing = await this.#repository.object(place.vault, name)
    if (isDeleted(existing)) throw deletedButRecoverable(place.name)
    const now = this.#now()
    const draft = {
      ...wanted,
      vault: place.vault,
      name,
      shownName: existing?.shown_name ?? place.name,
      version: randomBytes(16).toString('hex'),
      created: now,
      updated: now,
      policy: wanted.policy && frozenInPlatform(place.vault, wanted.policy),
      guestStateGeneration: 0,
    }
    const made = await this.#keystore.generate(draft.spec, bindingOf(draft))
    return this.#store.transaction(async (tx) => {
      const object = await this.#repository.lockObject(tx, place.vault, name, place.name)
      // Deleted while the key was being made.
      if (isDeleted(object)) throw deletedButRecoverable(place.name)
      const key: KeyVersion = { ...draft, ...made, shownName: object?.shown_name ?? place.name }
      await this.#repository.insertVersion(tx, key)
      await this.#record(tx, caller, 'create', key)
      return key
    })
  }

  async get(place: Place, version?: string): Promise<KeyVersion> {
    const key = await this.#repository.version({
      vault: place.vault,
      name: folded(place.name),
      ...(version !== undefined && { version }),
    })
    if (!key) throw keyNotFound(place.name, version)
    return key
  }

  async update(caller: Caller, place: Place, version: string | undefined, body: unknown): Promise<KeyVersion> {
    const found = await this.get(place, version)
    const change = parseUpdate(body, found.spec.type)
    return this.#store.transaction(async (tx) => {
      await this.#repository.lockObject(tx, found.vault, found.name)
      const key = await this.#repository.version({ vault: found.vault, name: found.name, version: found.version }, tx)
      if (!key) throw keyNotFound(place.name, version)
      const changed = applied(key, change, this.#now())
      if (policyHash(changed.policy) !== policyHash(key.policy)) {
        changed.material = await this.#keystore.rebind(key.material, bindingOf(key), bindingOf(changed))
      }
      await this.#repository.updateVersion(tx, changed)
      await this.#record(tx, caller, 'update', changed)
      return changed
    })
  }

  /** Soft delete, of all versions. */
  async delete(caller: Caller, place: Place): Promise<DeletedKey> {
    const key = await this.get(place)
    const deletedAt = this.#now()
    const deleted: DeletedAt = { deletedAt, purgeAt: deletedAt + recoverableDays * 24 * 3600 }
    await this.#store.transaction(async (tx) => {
      const object = await this.#repository.lockObject(tx, key.vault, key.name)
      if (!object || object.deleted_at !== null) throw keyNotFound(place.name)
      await this.#repository.setDeleted(tx, key.vault, key.name, deleted)
      await this.#record(tx, caller, 'delete', key)
    })
    return { ...key, ...deleted }
  }

  async getDeleted(place: Place): Promise<DeletedKey> {
    const name = folded(place.name)
    const object = await this.#repository.object(place.vault, name)
    const key = await this.#repository.version({ vault: place.vault, name, deleted: true })
    if (!key || !isDeleted(object)) throw deletedNotFound(place.name)
    return { ...key, deletedAt: object.deleted_at, purgeAt: object.purge_at ?? object.deleted_at }
  }

  async recover(caller: Caller, place: Place): Promise<KeyVersion> {
    const key = await this.getDeleted(place)
    await this.#store.transaction(async (tx) => {
      const object = await this.#repository.lockObject(tx, key.vault, key.name)
      if (!isDeleted(object)) throw deletedNotFound(place.name)
      await this.#repository.setDeleted(tx, key.vault, key.name, undefined)
      await this.#record(tx, caller, 'recover', key)
    })
    return this.get(place)
  }

  /** For ever: the material of all versions is erased. */
  async purge(caller: Caller, place: Place): Promise<void> {
    const key = await this.getDeleted(place)
    await this.#purge(key.vault, key.name, { objectId: caller.objectId, appId: caller.appId })
    await this.#repository.forgetRemoved()
  }

  /** Purges what was deleted longer ago than it may be recovered. Returns how many. */
  async purgeDue(): Promise<number> {
    const due = await this.#repository.due(this.#now(), 200)
    for (const { vault, name } of due)
      await this.#purge(vault, name, { objectId: 'vault', appId: 'vault' }, this.#now())
    if (due.length > 0) await this.#repository.forgetRemoved()
    return due.length
  }

  async #purge(vault: string, name: string, by: { objectId: string; appId: string }, dueAt?: number): Promise<void> {
    await this.#store.transaction(async (tx) => {
      const object = await this.#repository.lockObject(tx, vault, name)
      if (!isDeleted(object)) throw deletedNotFound(name)
      // Recovered and deleted again since it was found due.
      if (dueAt !== undefined && (object.purge_at ?? 0) > dueAt) return
      await this.#repository.remove(tx, vault, name)
      await this.#log.appendIn(tx, { ...by, operation: 'purge', vault, keyName: name, verdict: 'allowed' })
    })
  }

  async #record(tx: DatabaseTransaction, caller: Caller, operation: string, key: KeyVersion): Promise<void> {
    const entry: LogEntry = {
      objectId: caller.objectId,
      appId: caller.appId,
      operation,
      vault: key.vault,
      keyName: key.name,
      keyVersion: key.version,
      verdict: 'allowed',
      policyHash: policyHash(key.policy),
    }
    await this.#log.appendIn(tx, entry)
  }

  #now(): number {
    return Math.floor(this.#clock.now().getTime() / 1000)
  }
}

function isDeleted(object: KeyObjectRow | undefined): object is KeyObjectRow & { deleted_at: number } {
  return object !== undefined && object.deleted_at !== null
}

/** In the platform vault every policy is immutable, whether or not its maker asked. */
function frozenInPlatform(vault: string, policy: KeyPolicy): KeyPolicy {
  return vault === platformVault ? { ...policy, immutable: true } : policy
}

function applied(key: KeyVersion, change: KeyChange, now: number): KeyVersion {
  if (change.exportable !== undefined && change.exportable !== key.exportable) {
    throw badParameter('AKV.SKR.1014: Cannot modify the exportable state of a key.', {
      target: 'attributes.exportable',
    })
  }
  if (change.policy && !key.policy) {
    throw badParameter('AKV.SKR.1005: Non-exportable keys must not have release policy.', { target: 'release_policy' })
  }
  const samePolicy = change.policy && key.policy && change.policy.data === key.policy.data
  if (change.policy && key.policy?.immutable && !samePolicy) {
    throw badParameter('AKV.SKR.1020: Immutable Key Release Policy cannot be modified.', {
      target: 'release_policy',
      remedy: 'Make a new version of the key with the new policy.',
    })
  }
  const policy = change.policy && {
    ...change.policy,
    immutable: change.policy.immutable || key.policy?.immutable === true,
  }
  return {
    ...key,
    keyOps: change.keyOps ?? key.keyOps,
    enabled: change.enabled ?? key.enabled,
    nbf: change.nbf ?? key.nbf,
    exp: change.exp ?? key.exp,
    tags: change.tags ?? key.tags,
    policy: policy ?? key.policy,
    updated: now,
  }
}

function deletedButRecoverable(name: string): ServiceError {
  return new ServiceError({
    code: 'ObjectIsDeletedButRecoverable',
    status: 409,
    message: `Key ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the key can only be recovered or purged.`,
    target: name,
    remedy: 'Recover or purge the deleted key first.',
  })
}

function deletedNotFound(name: string): ServiceError {
  return new ServiceError({
    code: 'KeyNotFound',
    status: 404,
    message: `Deleted Key not found: ${name}.`,
    target: name,
    remedy: 'List the deleted keys.',
  })
}
