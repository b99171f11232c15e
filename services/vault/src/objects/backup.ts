import { isManagedHsmVaultName } from '@strongroom/contract'
import {
  SealError,
  ServiceError,
  type Caller,
  type DatabaseTransaction,
  type Sealer,
  type Store,
} from '@strongroom/platform'
import { badParameter } from '../core/errors.ts'
import type { LogEntry } from '../log/entry.ts'
import type { OperationLog } from '../log/operation-log.ts'
import type { VersionRow } from '../store/tables.ts'
import type { Vault } from '../vaults/vault.ts'
import { objectOf } from './attributes.ts'
import type { Lifecycle, Place } from './lifecycle.ts'
import { folded } from '../core/names.ts'
import type { ObjectRepository, RowForm } from './repository.ts'
import type { Versioned } from './versioned.ts'

/** Azure's limit. */
const versionLimit = 500
/** Maximum size of a backup, with its JSON wrapping. */
export const backupBytes: number = 8 * 1024 * 1024

interface Blob {
  kind: string
  shownName: string
  /** See BackupParts.domainOf. */
  domain?: string | undefined
  rows: VersionRow[]
}

export interface BackupParts<V extends Versioned, Row extends VersionRow> {
  store: Store
  sealer: Sealer
  log: OperationLog
  repository: ObjectRepository<V, Row>
  lifecycle: Lifecycle<V, Row>
  form: RowForm<V, Row>
  kind: 'key' | 'secret'
  entry: (caller: Caller, operation: string, version: V) => LogEntry
  /** Runs once the restored object has the name. @throws ServiceError if the vault is full */
  assertRoom?: (place: Place, tx: DatabaseTransaction) => Promise<void>
  /** The only security domain that this place's backups open in; undefined for vaults. */
  domainOf: (vault: Vault) => Promise<string | undefined>
  /** The same version in another vault. @throws ServiceError if the vault refuses it */
  moved: (version: V, to: Vault) => Promise<V>
}

/**
 * Backups of one name with all its versions: opaque to their holder, usable only by this installation, and only if the
 * name is free. Bindings of the object are restored with it. What leaves a managed HSM returns only to its security
 * domain: otherwise someone who may back up its keys could use them in a vault of their own.
 */
export class Backups<V extends Versioned, Row extends VersionRow> {
  readonly #o: BackupParts<V, Row>

  constructor(o: BackupParts<V, Row>) {
    this.#o = o
  }

  async backup(caller: Caller, place: Place): Promise<{ value: string }> {
    const { repository, lifecycle, form, sealer, log, kind, entry, domainOf } = this.#o
    const current = await lifecycle.get(place)
    lifecycle.assertUnmanaged(await repository.object(current), place.name)
    const versions = await repository.versions({ ...current, after: 0, limit: versionLimit + 1 })
    if (versions.length > versionLimit) {
      throw badParameter(`The ${kind} has too many versions to back up.`, {
        target: place.name,
        expected: `at most ${versionLimit} versions`,
        found: 'more',
      })
    }
    const rows = versions.map(({ version, ordinal }) => form.toRow(version, ordinal))
    const blob: Blob = { kind, shownName: current.shownName, domain: await domainOf(place.vault), rows }
    const sealed = await sealer.seal(Buffer.from(JSON.stringify(blob), 'utf8'), contextOf(kind))
    await log.append(entry(caller, 'backup', current))
    return { value: Buffer.from(sealed).toString('base64url') }
  }

  /** @returns the current version as restored */
  async restore(caller: Caller, vault: Vault, body: unknown): Promise<V> {
    const { repository, lifecycle, form, store, log, entry, moved } = this.#o
    const { shownName, rows, domain } = await this.#open(objectOf(body, 'body').value)
    const fromHsm = rows.some((row) => isManagedHsmVaultName(row.vault))
    if (fromHsm !== (domain !== undefined) || domain !== (await this.#o.domainOf(vault))) {
      throw this.#ofAnotherDomain(fromHsm)
    }
    const name = { vault: vault.name, name: folded(shownName) }
    const versions: V[] = []
    for (const row of rows) {
      versions.push(await moved(form.fromRow({ ...(row as Row), shown_name: shownName }), vault))
    }
    const current = versions.at(-1)
    if (current === undefined) throw this.#unreadable()
    await store.transaction(async (tx) => {
      const object = await repository.lockObject(tx, name, shownName)
      lifecycle.assertWritable(object, shownName)
      if (await repository.version(name, tx)) {
        throw new ServiceError({
          code: 'Conflict',
          message: `A ${this.#o.kind} named ${shownName} already exists in this vault.`,
          target: shownName,
          expected: 'a free name',
          found: 'one in use',
          remedy: 'Restore into another vault, or delete and purge the object that has the name.',
        })
      }
      await this.#o.assertRoom?.({ vault, name: shownName }, tx)
      for (const version of versions) await repository.insertVersion(tx, version)
      await log.appendIn(tx, entry(caller, 'restore', current))
    })
    return current
  }

  async #open(value: unknown): Promise<Blob> {
    const { sealer, kind } = this.#o
    if (typeof value !== 'string' || value.length > backupBytes || !/^[A-Za-z0-9_-]+={0,2}$/.test(value)) {
      throw badParameter('The backup is not valid.', { target: 'value', expected: 'a backup as base64url' })
    }
    try {
      const plain = await sealer.open(Buffer.from(value, 'base64url'), contextOf(kind))
      const blob = JSON.parse(Buffer.from(plain).toString('utf8')) as Blob
      if (blob.kind === kind) return blob
    } catch (error) {
      if (!(error instanceof SealError)) throw error
    }
    throw this.#unreadable()
  }

  #ofAnotherDomain(fromHsm: boolean): ServiceError {
    const expected = fromHsm ? 'a managed HSM with the security domain of the original one' : 'a vault'
    return badParameter(`The backup of the ${this.#o.kind} cannot be restored here.`, {
      target: 'value',
      expected,
      found: 'another',
      remedy: `Restore it into ${expected}.`,
    })
  }

  #unreadable(): ServiceError {
    return badParameter('The backup cannot be decrypted: it was altered, or comes from another installation.', {
      target: 'value',
      expected: `a backup of a ${this.#o.kind} made by this installation`,
      found: 'something else',
    })
  }
}

const contextOf = (kind: string): string => `backup/${kind}`
