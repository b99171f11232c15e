import { SealError, ServiceError, type Caller, type Sealer, type Store } from '@strongroom/platform'
import { badParameter } from '../core/errors.ts'
import type { KeyVersion } from '../keys/key-version.ts'
import type { KeyRepository } from '../keys/repository.ts'
import type { OperationLog } from '../log/operation-log.ts'
import { backupBytes } from '../objects/backup.ts'
import { objectOf } from '../objects/attributes.ts'
import { nameOf, type Place } from '../objects/lifecycle.ts'
import { folded } from '../core/names.ts'
import type { ObjectRepository, RowForm } from '../objects/repository.ts'
import type { SecretVersion } from '../secrets/secret-version.ts'
import type { CertificateVersionRow, KeyVersionRow, SecretVersionRow } from '../store/tables.ts'
import type { Vault } from '../vaults/vault.ts'
import { certificateRows, type CertificateVersion } from './certificate-version.ts'
import { certificateEntry, type Certificates } from './certificates.ts'
import { renewAt, type CertificatePolicy } from './policy.ts'
import type { CertificateRepository } from './repository.ts'

/** Azure's limit. */
const versionLimit = 500
const context = 'backup/certificate'

/** A certificate's versions, each with its key and secret. */
interface Blob {
  kind: 'certificate'
  shownName: string
  policy: CertificatePolicy
  certificates: CertificateVersionRow[]
  keys: KeyVersionRow[]
  secrets: SecretVersionRow[]
}

interface Parts {
  store: Store
  sealer: Sealer
  log: OperationLog
  certificates: Certificates
  repository: CertificateRepository
  keyRepository: KeyRepository
  secretRepository: ObjectRepository<SecretVersion, SecretVersionRow>
  keyForm: RowForm<KeyVersion, KeyVersionRow>
  secretForm: RowForm<SecretVersion, SecretVersionRow>
  /** The same version in another vault. @throws ServiceError if the vault refuses it */
  movedKey(key: KeyVersion, to: Vault): Promise<KeyVersion>
  movedSecret(secret: SecretVersion, to: Vault): Promise<SecretVersion>
}

/**
 * Backups of certificates with all versions, keys, secrets and policy: opaque to their holder, usable only by this
 * installation, and only where no key or secret has the name either.
 */
export class CertificateBackups {
  readonly #o: Parts

  constructor(o: Parts) {
    this.#o = o
  }

  async backup(caller: Caller, place: Place): Promise<{ value: string }> {
    const { certificates, repository, keyRepository, secretRepository, keyForm, secretForm, sealer, log } = this.#o
    const current = await certificates.get(place)
    const all = { ...nameOf(place), after: 0, limit: versionLimit + 1 }
    const versions = await repository.versions(all)
    if (versions.length > versionLimit)
      throw badParameter('The certificate has too many versions to back up.', {
        target: place.name,
        expected: `at most ${versionLimit} versions`,
        found: 'more',
      })
    const blob: Blob = {
      kind: 'certificate',
      shownName: current.shownName,
      policy: await certificates.policy(place),
      certificates: versions.map(({ version, ordinal }) => certificateRows.toRow(version, ordinal)),
      keys: (await keyRepository.versions(all)).map(({ version, ordinal }) => keyForm.toRow(version, ordinal)),
      secrets: (await secretRepository.versions(all)).map(({ version, ordinal }) => secretForm.toRow(version, ordinal)),
    }
    const sealed = await sealer.seal(Buffer.from(JSON.stringify(blob), 'utf8'), context)
    await log.append(certificateEntry(caller, 'backup', current))
    return { value: Buffer.from(sealed).toString('base64url') }
  }

  /** @returns the current version as restored */
  async restore(caller: Caller, vault: Vault, body: unknown): Promise<CertificateVersion> {
    const { certificates, repository, keyRepository, secretRepository, keyForm, secretForm, store, log } = this.#o
    const { shownName, policy, ...rows } = await this.#open(objectOf(body, 'body').value)
    const name = { vault: vault.name, name: folded(shownName) }
    const named = <R extends object>(row: R): R & { shown_name: string } => ({ ...row, shown_name: shownName })
    const versions = rows.certificates.map((row) => ({ ...certificateRows.fromRow(named(row)), vault: vault.name }))
    const keys: KeyVersion[] = []
    for (const row of rows.keys) keys.push(await this.#o.movedKey(keyForm.fromRow(named(row)), vault))
    const secrets: SecretVersion[] = []
    for (const row of rows.secrets) secrets.push(await this.#o.movedSecret(secretForm.fromRow(named(row)), vault))
    const current = versions.at(-1)
    if (current === undefined) throw unreadable()
    await store.transaction(async (tx) => {
      certificates.assertWritable(await repository.lockObject(tx, name, shownName), shownName)
      for (const each of [keyRepository, secretRepository] as const) {
        await each.lockObject(tx, name, shownName)
        if (await each.isUsed(tx, name)) throw inUse(shownName)
        await each.setManaged(tx, name)
      }
      if (await repository.isUsed(tx, name)) throw inUse(shownName)
      for (const key of keys) await keyRepository.insertVersion(tx, key)
      for (const secret of secrets) await secretRepository.insertVersion(tx, secret)
      for (const version of versions) await repository.insertVersion(tx, version)
      const { nbf = 0, exp = 0 } = current
      await repository.setPolicy(tx, { ...name, policy, renewAt: renewAt(policy, nbf, exp) })
      await log.appendIn(tx, certificateEntry(caller, 'restore', current))
    })
    return current
  }

  async #open(value: unknown): Promise<Blob> {
    if (typeof value !== 'string' || value.length > backupBytes || !/^[A-Za-z0-9_-]+={0,2}$/.test(value))
      throw badParameter('The backup is not valid.', { target: 'value', expected: 'a backup as base64url' })
    try {
      const plain = await this.#o.sealer.open(Buffer.from(value, 'base64url'), context)
      return JSON.parse(Buffer.from(plain).toString('utf8')) as Blob
    } catch (error) {
      if (!(error instanceof SealError)) throw error
    }
    throw unreadable()
  }
}

const inUse = (name: string): ServiceError =>
  new ServiceError({
    code: 'Conflict',
    message: `A certificate, key or secret named ${name} already exists in this vault.`,
    target: name,
    expected: 'a name that no object has, deleted ones included',
    found: 'one in use',
    remedy: 'Restore into another vault, or delete and purge the object that has the name.',
  })

const unreadable = (): ServiceError =>
  badParameter('The backup cannot be decrypted: it was altered, or comes from another installation.', {
    target: 'value',
    expected: 'a backup of a certificate made by this installation',
    found: 'something else',
  })
