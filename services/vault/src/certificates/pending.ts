import { ServiceError, type DatabaseTransaction, type Store } from '@strongroom/platform'
import type { Kysely, Transaction } from 'kysely'
import { keyRows, type KeyVersion } from '../keys/key-version.ts'
import { nameOf, type Place } from '../objects/lifecycle.ts'
import type { Tables } from '../store/migrations.ts'
import type { CertificatePendingRow, KeyVersionRow } from '../store/tables.ts'
import type { CertificatePolicy } from './policy.ts'

/** A certificate whose key exists and that somebody else must sign. */
export interface PendingCertificate {
  key: KeyVersion
  policy: CertificatePolicy
  /** PKCS#10, DER. */
  csr: Uint8Array
}

/** Certificate requests that wait for their certificate: one per name. Nobody can use the key until then. */
export class PendingCertificates {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async find(place: Place, tx?: DatabaseTransaction): Promise<PendingCertificate | undefined> {
    const db = (tx as Transaction<Tables> | undefined) ?? (this.#store.db as Kysely<Tables>)
    const { vault, name } = nameOf(place)
    const row = await db
      .selectFrom('certificate_pending')
      .selectAll()
      .where('vault', '=', vault)
      .where('name', '=', name)
      .executeTakeFirst()
    return row && fromRow(row)
  }

  /** @throws ServiceError PendingCertificateNotFound */
  async get(place: Place, tx?: DatabaseTransaction): Promise<PendingCertificate> {
    const found = await this.find(place, tx)
    if (found !== undefined) return found
    throw pendingNotFound(place.name)
  }

  /** @throws ServiceError Conflict if one is already pending under the name */
  async insert(tx: DatabaseTransaction, { key, policy, csr }: PendingCertificate): Promise<void> {
    const row: CertificatePendingRow = {
      vault: key.vault,
      name: key.name,
      shown_name: key.shownName,
      version: key.version,
      policy: JSON.stringify(policy),
      key: JSON.stringify(keyRows.toRow(key, 0)),
      csr: Buffer.from(csr).toString('base64'),
    }
    const made = await (tx as Transaction<Tables>)
      .insertInto('certificate_pending')
      .values(row)
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    if (Number(made.numInsertedOrUpdatedRows ?? 0) === 1) return
    throw new ServiceError({
      code: 'Conflict',
      message: `A pending certificate named ${key.shownName} already exists in this vault.`,
      target: key.shownName,
      expected: 'no pending request',
      found: 'one',
      remedy: 'Merge it, or delete it: az keyvault certificate pending delete.',
    })
  }

  /** False if another request was first. */
  async remove(tx: DatabaseTransaction, { vault, name, version }: KeyVersion): Promise<boolean> {
    const gone = await (tx as Transaction<Tables>)
      .deleteFrom('certificate_pending')
      .where('vault', '=', vault)
      .where('name', '=', name)
      .where('version', '=', version)
      .executeTakeFirst()
    return Number(gone.numDeletedRows) === 1
  }
}

export const pendingNotFound = (name: string): ServiceError =>
  new ServiceError({
    code: 'PendingCertificateNotFound',
    message: `Pending certificate not found: ${name}`,
    target: name,
  })

const fromRow = (row: CertificatePendingRow): PendingCertificate => ({
  key: keyRows.fromRow({ ...(JSON.parse(row.key) as KeyVersionRow), shown_name: row.shown_name }),
  policy: JSON.parse(row.policy) as CertificatePolicy,
  csr: Buffer.from(row.csr, 'base64'),
})
