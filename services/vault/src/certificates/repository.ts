import type { DatabaseTransaction, Store } from '@strongroom/platform'
import type { Transaction } from 'kysely'
import { ObjectRepository, type Name } from '../objects/repository.ts'
import type { Tables } from '../store/migrations.ts'
import type { CertificateVersionRow } from '../store/tables.ts'
import { certificateRows, type CertificateVersion } from './certificate-version.ts'
import type { CertificatePolicy } from './policy.ts'

/** Rows of certificates; the policy is stored with the name. */
export class CertificateRepository extends ObjectRepository<CertificateVersion, CertificateVersionRow> {
  constructor(store: Store) {
    super(store, certificateRows)
  }

  async policy(o: Name, tx?: DatabaseTransaction): Promise<CertificatePolicy | undefined> {
    const db = (tx as Transaction<Tables> | undefined) ?? this.db
    const query = db.selectFrom('certificate_object').select('policy').where('vault', '=', o.vault)
    const text = (await query.where('name', '=', o.name).executeTakeFirst())?.policy
    return text === undefined || text === null ? undefined : (JSON.parse(text) as CertificatePolicy)
  }

  /** @param renewAt when the next version is due, seconds since 1970 */
  async setPolicy(
    tx: DatabaseTransaction,
    o: Name & { policy: CertificatePolicy; renewAt: number | undefined },
  ): Promise<void> {
    await (tx as Transaction<Tables>)
      .updateTable('certificate_object')
      .set({ policy: JSON.stringify(o.policy), renew_at: o.renewAt ?? null })
      .where('vault', '=', o.vault)
      .where('name', '=', o.name)
      .execute()
  }

  /** Certificates whose next version is due. */
  async renewalDue(now: number, limit: number): Promise<Name[]> {
    return this.db
      .selectFrom('certificate_object')
      .select(['vault', 'name'])
      .where('renew_at', '<=', now)
      .where('deleted_at', 'is', null)
      .orderBy('renew_at')
      .limit(limit)
      .execute()
  }

  /** Retried then. */
  async postpone(o: Name, renewAt: number): Promise<void> {
    await this.db
      .updateTable('certificate_object')
      .set({ renew_at: renewAt })
      .where('vault', '=', o.vault)
      .where('name', '=', o.name)
      .execute()
  }
}
